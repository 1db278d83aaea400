#!/bin/sh
# Does an installed library serve a host? Installs into temporary folders, with DESTDIR and without, and checks
#
#   that what install brings is what its list names, and that uninstall leaves nothing of it and all that was there before;
#   that a host is compiled by what pkg-config says, as C11 and as C++17, against the shared and the static library, and runs;
#   likewise by CMake's find_package, where there is cmake;
#   that all of it still works after the tree was moved; that installing over a version leaves that one's files whole.
# Compilers from CC and CXX.
set -eu
cd "$(dirname "$0")/.."
CC=${CC:-cc} CXX=${CXX:-c++} MAKE=${MAKE:-make}
host=docs/examples/host_backbone.c
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { printf 'check-install: %s\n' "$*" >&2; exit 1; }
quietly() { "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; fail "this went wrong: $*"; }; }
make_() { quietly "$MAKE" --no-print-directory CC="$CC" VARIANT=release "$@"; }
files() { (cd "$1" && find . ! -type d | sort); }
everything() { (cd "$1" && find . | sort); }
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH MODNAS_PLUGINS

# ---- a package's staging folder, and a list that holds ------------------------------------------------------------------------
staged() { # name, variables of make
    name=$1
    shift
    mkdir -p "$tmp/$name/usr/local/lib"
    echo mine >"$tmp/$name/usr/local/lib/other.so"
    everything "$tmp/$name" >"$tmp/before"
    make_ install DESTDIR="$tmp/$name" "$@"
    ! grep -rl "$tmp" "$tmp/$name" >&2 || fail "these files name the staging folder"
    make_ install DESTDIR="$tmp/$name" "$@"
    files "$tmp/$name" >"$tmp/$name.files"
    make_ uninstall DESTDIR="$tmp/$name" "$@"
    everything "$tmp/$name" | diff "$tmp/before" - || fail "uninstall left (>) or took (<) the above"
}
staged plain
staged multiarch prefix=/usr libdir=/usr/lib/x86_64-linux-gnu
for f in usr/local/bin/modnas usr/local/lib/libmodnas.so usr/local/lib/pkgconfig/modnas.pc usr/local/include/modnas/modnas.h; do
    grep -qxF "./$f" "$tmp/plain.files" || fail "install did not bring $f"
done
[ "$(wc -l <"$tmp/plain.files")" = "$(wc -l <"$tmp/multiarch.files")" ] || fail "libdir changes how many files there are"

# ---- hosts ----------------------------------------------------------------------------------------------------------------------
pc() { PKG_CONFIG_PATH=$at/lib/pkgconfig pkg-config $moved "$@" modnas; }
runs() { # words of a command: the host runs, with oneDNN
    (cd "$tmp" && quietly "$@")
}
compiles() { # name, compiler and language, libraries
    # shellcheck disable=SC2086
    quietly $2 -Wall -Wextra -Werror "$host" -o "$3" $(pc --cflags) $4
    found "$1" "$3"
}
found() { # name, program: it finds what those before it found
    rm -f "$tmp"/found_by_*.yaml
    runs env LD_LIBRARY_PATH="$at/lib" "$2"
    cat "$tmp/found_by_asking.yaml" "$tmp/found_by_gradient.yaml" >"$tmp/found"
    [ -e "$tmp/found.first" ] || cp "$tmp/found" "$tmp/found.first"
    cmp "$tmp/found" "$tmp/found.first" || fail "$1: found another architecture than the host before it"
    echo "check-install: $1, in $at: runs"
}
by_cmake() {
    rm -rf "$tmp/cmake"
    mkdir "$tmp/cmake"
    cp "$host" "$tmp/cmake/host.c"
    cat >"$tmp/cmake/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.16)
project(host C)
find_package(modnas 0.1 CONFIG REQUIRED)
add_executable(shared host.c)
target_link_libraries(shared modnas::modnas)
add_executable(static host.c)
target_link_libraries(static modnas::static)
EOF
    quietly cmake -S "$tmp/cmake" -B "$tmp/cmake/b" -DCMAKE_PREFIX_PATH="$at" -DCMAKE_C_COMPILER="$CC"
    quietly cmake --build "$tmp/cmake/b"
    found 'CMake, shared library' "$tmp/cmake/b/shared"
    cp "$tmp/cmake/b/static" "$at/bin/host_cmake_static"
    found 'CMake, static library' "$at/bin/host_cmake_static"
    sed -i 's/modnas 0.1 CONFIG/modnas 0.2 CONFIG/' "$tmp/cmake/CMakeLists.txt"
    ! cmake -S "$tmp/cmake" -B "$tmp/cmake/b2" -DCMAKE_PREFIX_PATH="$at" >/dev/null 2>&1 || fail "version 0.1 does for CMake's 0.2"
}
serves() { # folder, options for pkg-config
    at=$1 moved=${2:-}
    [ "$(pc --libs)" = "-L$at/lib -lmodnas " ] || [ "$(pc --libs)" = "-L$at/lib -lmodnas" ] || fail "pkg-config --libs: $(pc --libs)"
    [ "$(pc --modversion)" = "$(sed -n 's/^#define MODNAS_VERSION_STRING "\(.*\)"/\1/p' include/modnas/version.h)" ] ||
        fail "pkg-config --modversion: $(pc --modversion)"
    quietly "$at/bin/modnas" version
    "$at/bin/modnas" devices >"$tmp/devices"
    ! grep -q '^dnnl.*not available' "$tmp/devices" || fail "$at/bin/modnas has no oneDNN: $(grep ^dnnl "$tmp/devices")"
    static=$(pc --static --libs | sed 's/-lmodnas/-Wl,-Bstatic -lmodnas -Wl,-Bdynamic/')
    compiles 'C11, shared library' "$CC -std=c11" "$tmp/host_c" "$(pc --libs)"
    compiles 'C11, static library' "$CC -std=c11" "$at/bin/host_c_static" "$static"
    compiles 'C++17, shared library' "$CXX -std=c++17 -x c++" "$tmp/host_cpp" "$(pc --libs)"
    compiles 'C++17, static library' "$CXX -std=c++17 -x c++" "$at/bin/host_cpp_static" "$static"
    if command -v cmake >/dev/null; then by_cmake; else echo "check-install: CMake: skipped, there is no cmake"; fi
}
make_ install prefix="$tmp/first"
serves "$tmp/first"
mv "$tmp/first" "$tmp/second"
serves "$tmp/second" --define-prefix

# ---- over an old version ----------------------------------------------------------------------------------------------------------
rm -f "$tmp"/second/bin/host_*
mkdir "$tmp/old"
for f in bin/modnas "lib/$(basename "$(realpath "$tmp/second/lib/libmodnas.so")")" lib/modnas-plugins/modnas-dnnl.so; do
    ln "$tmp/second/$f" "$tmp/old/$(basename "$f")"
done
echo old >"$tmp/second/include/modnas/old.h"
echo include/modnas/old.h >>"$tmp/second/share/doc/modnas/installed.txt"
(cd "$tmp/old" && sha256sum -- * >"$tmp/sums")
make_ install prefix="$tmp/second"
(cd "$tmp/old" && sha256sum --quiet -c "$tmp/sums") || fail "install wrote into files of the version that was there"
for f in "$tmp"/old/*; do [ "$(stat -c %h "$f")" = 1 ] || fail "install left the old $(basename "$f") in place"; done
[ ! -e "$tmp/second/include/modnas/old.h" ] || fail "install left a file of the version before that it does not bring"
make_ uninstall prefix="$tmp/second"
[ ! -e "$tmp/second" ] || fail "uninstall left $(everything "$tmp/second")"
echo "check-install: $(($(wc -l <"$tmp/plain.files") - 1)) files, hosts in C and C++, shared and static, moved, replaced, removed"
