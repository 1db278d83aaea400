#!/usr/bin/env bash
# Is the demo faster than it was? Search and training of docs/examples/fashion_mnist_proxyless.yaml, as it is now, by a build of an older
# commit and by this one, in turns, one at a time.
#
#   bench/demo_speed.sh [COMMIT [EPOCHS]]      COMMIT: default the last one without bottleneck kernels; EPOCHS: of the training, default the file's
#
# Both train the network that the older one found, so that the times are of the same work. Everything stays below build/demo_speed.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=${1:-d36060a}
epochs=${2:-}
top=$PWD
folder=$top/build/demo_speed
yaml=$top/docs/examples/fashion_mnist_proxyless.yaml

build() { # FOLDER
    make -C "$1" -j"$(nproc)" VARIANT=release all >"$folder/build.log" 2>&1 && return
    tail -n 5 "$folder/build.log" >&2
    exit 1
}
# The last number of that name in a file of JSON.
number() { sed -n "s/.*\"$1\": *\([-+.0-9e]*\).*/\1/p" "$2" | tail -n 1; }
# run WHO PART OPTION...: one part of the demo by one of the builds; its seconds go into seconds[WHO PART].
declare -A program seconds
run() {
    local who=$1 part=$2 begin
    shift 2
    echo "== $part, $who" >&2
    begin=$(date +%s.%N)
    (cd "$folder" && "${program[$who]}" run -c "$yaml" -r "$part" -n "${who}_$part" --quiet "$@")
    seconds[$who $part]=$(echo "$(date +%s.%N) $begin" | awk '{printf "%.1f", $1 - $2}')
}

mkdir -p "$folder"
rm -rf "$folder/exp"
[ -d "$folder/source" ] || git worktree add --detach "$folder/source" "$commit" >/dev/null
git -C "$folder/source" checkout -q --detach "$commit"
mkdir -p "$folder/source/build"
[ -e "$folder/source/build/deps" ] || [ ! -e build/deps ] || ln -s "$(realpath build/deps)" "$folder/source/build/deps"
build "$folder/source"
build "$top"
program=([before]=$folder/source/build/release/modnas [now]=$top/build/release/modnas)

for who in before now; do run $who search; done
found=$folder/exp/before_search/outputs/arch_search_best.yaml
for who in now before; do run $who augment -g "$found" ${epochs:+-o estim.train.epochs=$epochs}; done

printf '\n%-8s %12s %12s %12s %14s\n' '' 'search, s' 'training, s' 'both, s' 'test images'
for who in before now; do
    awk -v who=$who -v a="${seconds[$who search]}" -v b="${seconds[$who augment]}" \
        -v acc="$(number acc_top1 "$folder/exp/${who}_augment/outputs/results.json")" \
        'BEGIN {printf "%-8s %12.1f %12.1f %12.1f %12.2f %%\n", who, a, b, a + b, 100 * acc}'
done
echo "${seconds[before search]} ${seconds[before augment]} ${seconds[now search]} ${seconds[now augment]}" |
    awk '{x = ($3 + $4) / ($1 + $2); printf "now / before: %.2f (goal: at most 0.50): %s\n", x, x <= 0.5 ? "met" : "not met"}'
