#!/usr/bin/env bash
# Run the test programs of one or more build folders: run-tests.sh RESULT-FILE FOLDER...
#
# Every tests/test_* is a program of the Check framework; all are run, one a core, whatever fails, and all they print is shown. Then
# tests/cases is run over the folders of cases beside this checkout, where they exist. A test that cannot run here prints a line
# with "skipped" and its reason. Three numbers, passed failed skipped, are added to RESULT-FILE; the status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/pool.sh
result=$1
shift
shared=${MODNAS_SHARED:-../shared/data}
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000} # threads that wait give the core away soon: other programs may want it
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

# They compare times, and run alone.
alone=' test_data_loader test_latency_measured test_profile '

# Check's last line: "100%: Checks: 41, Failures: 0, Errors: 0".
count() { # status, path: its output is in $tmp
    local out=$tmp/${2##*/}
    read -r checks failures errors < <(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$out" |
        awk '{c += $1; f += $2; e += $3} END {print c + 0, f + 0, e + 0}')
    local skips bad
    skips=$(grep -ciE '(^|: )skipped' "$out")
    bad=$((failures + errors))
    if [ "$1" != 0 ] && [ $bad = 0 ]; then
        echo "$2: ended with status $1"
        bad=1
    elif [ "$checks" = 0 ]; then
        echo "$2: ran no checks"
        bad=1
    fi
    passed=$((passed + checks - failures - errors - skips))
    failed=$((failed + bad))
    skipped=$((skipped + skips))
}
sanitized() { [[ $folder == */asan || $folder == */tsan ]]; }

# FOLDER_OF_CASES.BACKEND is a name in the pool, too.
is_cases() { [[ $1 == *_cases.* ]]; }
cases() {
    "$folder/tests/cases" "$shared/${1%.*}" "${1##*.}"
}
show_cases() {
    echo "== $folder/tests/cases $shared/${1%.*} ${1##*.}"
    cat "$tmp/$1"
    [ "$2" = 0 ] || failed=$((failed + 1))
}

run() { # name, of a program in $folder
    if is_cases "$1"; then
        cases "$1"
        return
    fi
    # Programs share the cores, and instrumented code is many times slower; so are the time limits of its tests.
    case $folder in
    */tsan) export CK_TIMEOUT_MULTIPLIER=20 ;;
    */asan) export CK_TIMEOUT_MULTIPLIER=6 ;;
    *) export CK_TIMEOUT_MULTIPLIER=2 ;;
    esac
    # Fake stacks are less aligned than AVX-512 values need (GCC bug 110027): gcc 13 and later crash with them on.
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 \
        LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0 \
        TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:die_after_fork=0 "$folder/tests/$1"
}
show() { # name, status
    if is_cases "$1"; then
        show_cases "$@"
        return
    fi
    echo "== $folder/tests/$1"
    cat "$tmp/$1"
    count "$2" "$folder/tests/$1"
}

for folder in "$@"; do
    together=() apart=()
    for cases in torch_cases onnx_cases; do
        if sanitized; then
            continue
        elif [ -d "$shared/$cases" ]; then
            together+=("$cases.ref" "$cases.dnnl")
        else
            echo "== $folder/tests/cases: skipped, there is no $shared/$cases"
        fi
    done
    for program in "$folder"/tests/test_*; do
        name=${program##*/}
        [ -x "$program" ] || continue
        if [[ $alone == *" $name "* ]]; then apart+=("$name"); else together+=("$name"); fi
    done
    pool "$(nproc)" run show "${together[@]}"
    pool 1 run show "${apart[@]}"
done
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
