#!/usr/bin/env bash
# `make demo`: search on Fashion-MNIST, then train the network that was found from its file, and say what came out of it.
# `make demo-compare` (--compare): beside it three random networks of the same space, trained with the same budget.
#
# Both are two commands of fashion_mnist_proxyless.yaml; this script only calls them and puts the results side by side.
set -euo pipefail
cd "$(dirname "$0")/../.."
modnas=build/release/modnas
yaml=docs/examples/fashion_mnist_proxyless.yaml
compare=${1:-}

# number KEY FILE: the last number of that name in a file of JSON
number() { sed -n "s/.*\"$1\": *\([-+.0-9e]*\).*/\1/p" "$2" | tail -n 1; }
# train NAME ARCH-FILE: from scratch, tested once at the end
train() { "$modnas" run -c "$yaml" -r augment -n "$1" -g "$2"; }

# A point of the space by its seed: a candidate for each Slot, drawn by the generator of Park and Miller.
random_arch() {
    "$modnas" describe -c "$yaml" -r search --json | tr '{' '\n' | sed -n 's/.*"candidates": *\[\([^]]*\)\].*/\1/p' |
        awk -v x="$1" -F, 'BEGIN {for (i = 0; i < 8; i++) x = x * 16807 % 2147483647}
            {x = x * 16807 % 2147483647; printf "- [%s]\n", $(1 + int(x / 2147483647 * NF))}'
}

row() { # label NAME ARCH-FILE
    local counts results="exp/$2/outputs/results.json"
    counts=$(mktemp)
    "$modnas" describe -c "$yaml" -r augment -g "$3" --json >"$counts"
    awk -v label="$1" -v params="$(number params "$counts")" -v macs="$(number macs "$counts")" -v acc="$(number acc_top1 "$results")" \
        -v s="$(number seconds "$results")" 'BEGIN {printf "%-10s %9.2f %% %12d %12d %8.0f s\n", label, 100 * acc, params, macs, s}'
    rm -f "$counts"
}
files() { # label NAME ARCH-FILE
    printf '%s\n' "$1:" "  architecture  $3" "  weights       exp/$2/chkpt/model_train_last.safetensors" \
        "  results       exp/$2/outputs/results.json"
}

begin=$(date +%s)
echo "== search (exp/fm_search)"
"$modnas" run -c "$yaml" -r search -n fm_search
found=exp/fm_search/outputs/arch_search_best.yaml
echo "== train the network found, from $found (exp/fm_found)"
train fm_found "$found"
took=$(($(date +%s) - begin))

seeds=
if [ "$compare" = --compare ]; then
    seeds='1 2 3'
    for i in $seeds; do
        random_arch "$i" >"exp/fm_random_$i.yaml"
        echo "== train random network $i, from exp/fm_random_$i.yaml (exp/fm_random_$i)"
        train "fm_random_$i" "exp/fm_random_$i.yaml"
    done
fi

echo
printf '%-10s %11s %12s %12s %10s\n' network 'test images' parameters multiply-adds training
row found fm_found "$found"
for i in $seeds; do row "random $i" "fm_random_$i" "exp/fm_random_$i.yaml"; done
onnx=exp/fm_found/outputs/network.onnx
"$modnas" export -c "$yaml" -r augment -g "$found" -p exp/fm_found/chkpt/model_train_last.safetensors --out "$onnx" --quiet
for name in fm_search fm_found; do "$modnas" report "exp/$name" --quiet; done
"$modnas" bundle exp/fm_found # with all that lies in its outputs by now
echo
files found fm_found "$found"
printf '%s\n' "  ONNX          $onnx"
for i in $seeds; do files "random $i" "fm_random_$i" "exp/fm_random_$i.yaml"; done
printf '%s\n' "reports:" "  search        exp/fm_search/outputs/report.html" "  network       exp/fm_found/outputs/report.html"
printf '%s\n' "all of the network in one folder, which modnas verify measures again:" "  exp/fm_found/bundle"
echo
printf 'search and training of the network found: %d min %d s\n' $((took / 60)) $((took % 60))
