#!/usr/bin/env bash
# The fuzz targets without a fuzzer: replay.sh RESULT-FILE FOLDER   (docs/testing.md)
#
# Each program of FOLDER/fuzz is shown the files of tests/fuzz/corpus and of the shared folders that tests/fuzz/targets.tsv
# names, then as many changes of these as it says there, the same ones every time; one program a core. Three numbers, passed failed
# skipped, are added to RESULT-FILE; the status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/pool.sh
result=$1 folder=$2
shared=${MODNAS_SHARED:-../shared/data}
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

run() { # target
    local mutations longest data part paths=(tests/fuzz/corpus/"$1")
    IFS=$'\t' read -r _ mutations longest data < <(grep "^$1	" tests/fuzz/targets.tsv)
    for part in $data; do
        if [ -d "$shared/$part" ]; then
            paths+=("$shared/$part")
        elif [ "$part" != - ]; then
            echo "fuzz_$1: skipped, there is no $shared/$part"
        fi
    done
    "$folder"/fuzz/fuzz_"$1" -m "$mutations" -l "$longest" "${paths[@]}"
}
show() { # target, status
    cat "$tmp/$1"
    skipped=$((skipped + $(grep -c "^fuzz_$1: skipped" "$tmp/$1")))
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
    else
        echo "fuzz_$1: failed; what it broke at, if it did, is in $folder/fuzz/fuzz_$1.last"
        failed=$((failed + 1))
    fi
}

echo "== $folder/fuzz"
# shellcheck disable=SC2046
pool "$(nproc)" run show $(sed -n '2,$s/	.*//p' tests/fuzz/targets.tsv)
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
