#!/usr/bin/env bash
# Look for inputs that break a reader: fuzz.sh SECONDS [TARGET...]   (make fuzz; docs/testing.md)
#
# Builds the library and the targets of tests/fuzz with clang's libFuzzer and its sanitizers, then lets each target run for
# SECONDS. It starts from tests/fuzz/corpus/TARGET and the folders of shared data that tests/fuzz/targets.tsv names; what it
# learns stays in build/fuzz/corpus/TARGET, what breaks a reader goes to build/fuzz/crashes. Status 1 if anything broke.
set -u
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
seconds=$1
shift
shared=${MODNAS_SHARED:-../shared/data}
clang=${CLANG:-clang}

command -v "$clang" >/dev/null || {
    echo "fuzz: there is no $clang; it comes with: apt-get install clang (or CLANG=NAME make fuzz)" >&2
    exit 1
}
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n) { return b && n == 0; }' >"$probe/probe.c"
"$clang" -fsanitize=fuzzer,address,undefined -o "$probe/probe" "$probe/probe.c" 2>"$probe/log" || {
    echo "fuzz: $clang cannot link with libFuzzer (-fsanitize=fuzzer): $(grep -m 1 -i error "$probe/log")" >&2
    echo "fuzz: it comes with: apt-get install clang libclang-rt-dev (or libclang-common-NN-dev)" >&2
    exit 1
}
"$make" --no-print-directory -j"$(nproc)" VARIANT=fuzz CC="${CCACHE:-} $clang" fuzz-targets || exit 1

crashes=build/fuzz/crashes words=build/fuzz/words.dict
mkdir -p "$crashes"
# Names of components, arguments and keys, as the sources have them.
grep -rohE '"[A-Za-z_][A-Za-z0-9_]{2,40}"' src | sort -u >"$words"
status=0
while IFS=$'\t' read -r target _ longest data <&3; do
    [ "$target" = target ] && continue
    [ $# = 0 ] || [[ " $* " == *" $target "* ]] || continue
    folders=(tests/fuzz/corpus/"$target")
    for folder in $data; do [ -d "$shared/$folder" ] && folders+=("$shared/$folder"); done
    seeds=build/fuzz/seeds/$target # without those that would be cut
    rm -rf "$seeds"
    mkdir -p build/fuzz/corpus/"$target" "$seeds"
    find "${folders[@]}" -type f -size -"$((longest + 1))"c | while read -r file; do cp "$file" "$seeds/${file//\//_}"; done
    echo "== $target, $seconds s"
    # Options of the sanitizers as in tools/replay.sh.
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:quarantine_size_mb=64 UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=print_suppressions=0 \
        build/fuzz/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len="$longest" -timeout=25 -report_slow_units=25 -rss_limit_mb=2048 \
        -malloc_limit_mb=512 -print_final_stats=1 -dict="$words" -artifact_prefix="$crashes/$target-" \
        build/fuzz/corpus/"$target" "$seeds" >build/fuzz/"$target".log 2>&1 </dev/null || {
        grep -E 'not so:|ERROR|SUMMARY|runtime error' build/fuzz/"$target".log
        echo "fuzz: $target: the input is in $crashes/$target-*, more in build/fuzz/$target.log"
        status=1
    }
    tail -n 8 build/fuzz/"$target".log | grep -E 'number_of_executed|peak_rss'
done 3<tests/fuzz/targets.tsv
[ $status = 1 ] || echo "fuzz: nothing broke"
exit $status
