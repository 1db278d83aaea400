#!/usr/bin/env bash
# The fuzz targets without a fuzzer: replay.sh RESULT-FILE FOLDER   (docs/testing.md)
#
# Each program of FOLDER/fuzz is shown the files of tests/fuzz/corpus and of the shared folders that tests/fuzz/targets.tsv
# names, then as many changes of these as it says there, the same ones every time. Three numbers, passed failed skipped, are
# added to RESULT-FILE; the status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
result=$1 folder=$2
shared=${MODNAS_SHARED:-../shared/data}
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
passed=0 failed=0 skipped=0
echo "== $folder/fuzz"
while IFS=$'\t' read -r target mutations longest data <&3; do
    [ "$target" = target ] && continue
    paths=(tests/fuzz/corpus/"$target")
    for part in $data; do
        if [ -d "$shared/$part" ]; then
            paths+=("$shared/$part")
        elif [ "$part" != - ]; then
            echo "fuzz_$target: skipped, there is no $shared/$part"
            skipped=$((skipped + 1))
        fi
    done
    if "$folder"/fuzz/fuzz_"$target" -m "$mutations" -l "$longest" "${paths[@]}" </dev/null; then
        passed=$((passed + 1))
    else
        echo "fuzz_$target: failed; what it broke at, if it did, is in $folder/fuzz/fuzz_$target.last"
        failed=$((failed + 1))
    fi
done 3<tests/fuzz/targets.tsv
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
