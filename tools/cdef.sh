#!/bin/sh
# cdef.sh: the stable tier's headers as plain declarations, as cffi (Python) and LuaJIT read them, on standard output.
# bindings/modnas_cdef.h is this; `make check` compares.
set -eu
cd "$(dirname "$0")/.."
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
for h in stddef stdint; do : >"$empty/$h.h"; done
echo '/* Made of include/modnas by tools/cdef.sh: the stable tier, for languages that read declarations. */'
${CC:-cc} -E -P -U__GNUC__ -nostdinc -isystem "$empty" -Iinclude -DINT32_MAX=0x7fffffff -x c include/modnas/modnas.h |
    sed -e 's/  */ /g' -e 's/ *$//' | grep -v '^$'
