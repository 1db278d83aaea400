#!/usr/bin/env bash
# Everything that must hold before a change goes in: `make check` runs it when the dependencies are there.
#
#   release build   all tests, the cases beside this checkout, what the headers and libmodnas.so show to the world; installs it; the
#                   bindings, and the fuzz targets' files and changes of them
#   asan build      the same tests under the address and undefined-behaviour sanitizers, with leak checking
#   valgrind        a short search, where there is valgrind
#
# With names of variants as arguments: their tests alone, as `make check-tsan` does, which takes too long for every change.
#
# The last line is 'N passed, N failed, N skipped', summed over all test programs; the status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
case " ${MAKEFLAGS:-} " in
*' -j'*) jobs= ;;
*) jobs=-j$(nproc) ;;
esac
sums=$(mktemp)
trap 'rm -f "$sums"' EXIT
status=0
step() { "$@" || { echo "check: this went wrong: $*"; status=1; }; }

# Tests compare with them; without them these are skipped.
for package in tensorboard onnx safetensors; do
    [ $# != 0 ] || timeout 300 tools/$package.sh || true
done

variants=${*:-release asan}
for variant in $variants; do
    echo "== build $variant"
    # shellcheck disable=SC2086
    if "$make" --no-print-directory $jobs VARIANT=$variant tests; then
        step tools/run-tests.sh "$sums" build/$variant
        step tools/replay.sh "$sums" build/$variant
    else
        echo "check: the $variant build went wrong"
        status=1
    fi
done
if [ $# = 0 ]; then
    step tools/check-headers.sh
    step tools/check-symbols.sh build/release
    step tools/check-bindings.sh "$sums" build/release
    step tools/check-install.sh
    if valgrind -q true >/dev/null 2>&1; then
        step tools/check-valgrind.sh build/release
    else
        echo "check-valgrind: skipped, there is no valgrind here that runs"
    fi
fi
awk '{p += $1; f += $2; s += $3} END {printf "%d passed, %d failed, %d skipped\n", p, f, s}' "$sums"
exit $status
