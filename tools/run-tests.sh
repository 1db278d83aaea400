#!/usr/bin/env bash
# Run the test programs of one or more build folders: run-tests.sh RESULT-FILE FOLDER...
#
# Every tests/test_* is a program of the Check framework; all are run, whatever fails, and all they print is shown. Then
# tests/cases is run over the folders of cases beside this checkout, where they exist. A test that cannot run here prints a line
# with "skipped" and its reason. Three numbers, passed failed skipped, are added to RESULT-FILE; the status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
result=$1
shift
shared=${MODNAS_SHARED:-../shared/data}
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000} # threads that wait give the core away soon: other programs may want it
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0

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
sanitized() { [[ $1 == */asan || $1 == */tsan ]]; }

# The output of one program, its seconds and its status behind it, go to a file of its name.
run() { # folder, name
    local since=$SECONDS status
    # Instrumented code is many times slower; so are the time limits of its tests.
    case $1 in
    */tsan) export CK_TIMEOUT_MULTIPLIER=20 ;;
    */asan) export CK_TIMEOUT_MULTIPLIER=6 ;;
    *) unset CK_TIMEOUT_MULTIPLIER ;;
    esac
    # Fake stacks are less aligned than AVX-512 values need (GCC bug 110027): gcc 13 and later crash with them on.
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 \
        LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0 \
        TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:die_after_fork=0 "$1/tests/$2" >"$tmp/$2" 2>&1 </dev/null
    status=$?
    echo "($((SECONDS - since)) s)" >>"$tmp/$2"
    echo $status >"$tmp/$2.status"
}

for folder in "$@"; do
    at_once=1
    # It uses one core, and takes its time.
    [[ $folder == */tsan ]] && at_once=$(nproc)
    names=$(cd "$folder/tests" && for f in test_*; do [ -x "$f" ] && echo "$f"; done)
    for name in $([ "$at_once" = 1 ] || echo "$names"); do
        while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do wait -n; done
        run "$folder" "$name" &
    done
    wait
    for name in $names; do
        echo "== $folder/tests/$name"
        [ "$at_once" != 1 ] || run "$folder" "$name"
        cat "$tmp/$name"
        count "$(cat "$tmp/$name.status")" "$folder/tests/$name"
    done
    sanitized "$folder" && continue
    for cases in torch_cases onnx_cases; do
        if [ ! -d "$shared/$cases" ]; then
            echo "== $folder/tests/cases: skipped, there is no $shared/$cases"
            continue
        fi
        for backend in ref dnnl; do
            echo "== $folder/tests/cases $shared/$cases $backend"
            "$folder/tests/cases" "$shared/$cases" $backend || failed=$((failed + 1))
        done
    done
done
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
