#!/bin/sh
# Does every public header stand alone, as C99 and as C++17, without a single warning, and include nothing but <stddef.h>,
# <stdint.h> and its own kind? Are structs and numbers laid out as tests/abi/layout.c has them? Compilers from CC and CXX.
set -eu
cd "$(dirname "$0")/.."
CC=${CC:-cc} CXX=${CXX:-c++}
strict='-pedantic-errors -Wall -Wextra -Werror -Iinclude -fsyntax-only'
bad=0 n=0
for path in include/modnas/*.h include/modnas/sys/*.h; do
    h=${path#include/}
    n=$((n + 1))
    # shellcheck disable=SC2086
    printf '#include "%s"\nextern int not_empty;\n' "$h" | $CC -std=c99 $strict -x c - || { echo "$h: not C99 on its own"; bad=1; }
    # shellcheck disable=SC2086
    printf '#include "%s"\nextern int not_empty;\n' "$h" | $CXX -std=c++17 $strict -x c++ - || { echo "$h: not C++17 on its own"; bad=1; }
    other=$(sed -n 's/^ *# *include *//p' "$path" | grep -vxE '<std(def|int)\.h>|"modnas/[a-z/_]+\.h"' || true)
    [ -z "$other" ] || { echo "$h: includes $other"; bad=1; }
done
# Layouts and numbers: all that there are, and as they were released.
$CC -std=c11 -Wall -Wextra -Werror -Iinclude -fsyntax-only tests/abi/layout.c || { echo "tests/abi/layout.c: not as C"; bad=1; }
$CXX -std=c++17 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ tests/abi/layout.c || { echo "tests/abi/layout.c: not as C++"; bad=1; }
for struct in $(tools/cdef.sh | sed -n 's/^} \(modnas_[a-z0-9_]*\);/\1/p'); do
    grep -q "^SIZE($struct, " tests/abi/layout.c || { echo "tests/abi/layout.c lacks $struct"; bad=1; }
done
[ $bad = 0 ] && echo "check-headers: $n headers compile alone as C99 and C++17"
exit $bad
