#!/usr/bin/env bash
# Do the bindings fit the headers and work? The declarations that they read are what tools/cdef.sh makes today; the Python binding's tests run,
# where cffi and NumPy can be had (tools/python.sh), against the library as it is built.  check-bindings.sh RESULT-FILE FOLDER
set -u
cd "$(dirname "$0")/.." || exit 1
result=$1 folder=$PWD/$2
passed=0 failed=0 skipped=0
is() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "check-bindings: $2"; fi; }

tools/cdef.sh | diff bindings/python/modnas/cdef.h - >&2
is $? "bindings/python/modnas/cdef.h is not what the headers say: tools/cdef.sh >bindings/python/modnas/cdef.h"
version=$(sed -n 's/^#define MODNAS_VERSION_STRING "\(.*\)"/\1/p' include/modnas/version.h)
grep -qx "version = \"$version\"" bindings/python/pyproject.toml
is $? "bindings/python/pyproject.toml has another version than $version"

if timeout 300 tools/python.sh; then
    out=$(mktemp)
    MODNAS_PROGRAM=$folder/modnas MODNAS_LIBRARY=$folder/libmodnas.so PYTHONPATH=$PWD/bindings/python PYTHONDONTWRITEBYTECODE=1 \
        build/deps/python/bin/python3 tests/python/test_binding.py >"$out" 2>&1
    status=$?
    ran=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$out") bad=$(sed -n 's/.*\(failures\|errors\)=\([0-9]*\).*/\2/p' "$out")
    [ $status = 0 ] || cat "$out"
    [ $status = 0 ] || [ -n "$bad" ] || bad=1
    echo "check-bindings: Python: ${ran:-0} tests, ${bad:-0} failed"
    passed=$((passed + ${ran:-0} - ${bad:-0})) failed=$((failed + ${bad:-0}))
    rm -f "$out"
else
    echo "check-bindings: Python: skipped, there is no cffi and NumPy"
    skipped=$((skipped + 1))
fi
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
