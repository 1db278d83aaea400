#!/bin/sh
# Install what building, testing and the demo need and what is missing here. `make deps` runs it.
#
# It looks first (by compiling, not by package names, so that any system that has the parts passes), says what it will do, and
# then does it: Debian packages through apt-get as root or with sudo, and oneDNN >= 3.0 either from apt or, where the
# distribution's is older, from two wheels unpacked into build/deps/onednn. Nothing else on the system is touched, nothing is
# asked. When all is there it only looks, which takes a fraction of a second.
set -eu
cd "$(dirname "$0")/.."
CC=${CC:-cc}
wheels=build/deps/wheels
root=build/deps/onednn
images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz

say() { printf 'deps: %s\n' "$*"; }
die() { printf 'deps: %s\n' "$*" >&2; exit 1; }

# ---- looking --------------------------------------------------------------------------------------------------------------
have() { command -v "$1" >/dev/null 2>&1; }
# compiles FOLDER LINE...: does a C file of these lines pass the compiler, with FOLDER ('' = none) searched for headers?
compiles() {
    folder=$1
    shift
    printf '%s\n' "$@" | $CC ${folder:+"-I$folder"} -fsyntax-only -x c - 2>/dev/null
}
header() { compiles '' "#include <stddef.h>" "#include <stdio.h>" "#include <stdarg.h>" "#include <$1>"; }

# Is oneDNN's C interface, version 3 or later, at this prefix ('' = the system's)?
onednn_at() {
    [ -z "$1" ] || [ -e "$1/lib/libdnnl.so" ] || return 1
    compiles "${1:+$1/include}" "#include <dnnl.h>" "#include <dnnl_version.h>" "#if DNNL_VERSION_MAJOR < 3" "#error old" "#endif"
}
onednn_there() {
    if [ -n "${ONEDNN_ROOT:-}" ]; then
        onednn_at "$ONEDNN_ROOT" || die "ONEDNN_ROOT=$ONEDNN_ROOT: no oneDNN >= 3.0 there (include/dnnl.h and lib/libdnnl.so)"
        return 0
    fi
    onednn_at "$root" || onednn_at ''
}

# Sets missing (package names), list (lines for a person) and dnnl (1: there). One line a need: package, purpose, how to see it.
look() {
    missing=''
    list=''
    while IFS='|' read -r package text probe; do
        $probe >/dev/null 2>&1 && continue
        missing="$missing $package"
        list="$list$(printf '  %-22s %s' "$package" "$text")
"
    done <<TABLE
gcc|the C compiler|have $CC
g++|C++ in the oneDNN plug-in and in checks|have c++
libc6-dev|the C library's headers|header stdlib.h
binutils|linker, ar, nm, readelf|have readelf
libyaml-dev|YAML parser|header yaml.h
libcyaml-dev|YAML into structs|header cyaml/cyaml.h
libprotobuf-c-dev|TensorBoard files|header protobuf-c/protobuf-c.h
protobuf-c-compiler|their messages as C|have protoc-c
pkg-config|how a host finds the library|have pkg-config
zlib1g-dev|gzip'ed data|header zlib.h
libpng-dev|PNG files in image folders|header png.h
libjpeg-dev|JPEG files in image folders|header jpeglib.h
check|test framework|header check.h
libsubunit-dev|the test framework links with it|header subunit/child.h
dataset-fashion-mnist|images for the demo and the tests|test -e $images
TABLE
    dnnl=1
    onednn_there || dnnl=0
}

# ---- doing ------------------------------------------------------------------------------------------------------------------
as_root=
need_root() {
    have apt-get || die "there is no apt-get here; install these parts (Debian's names) by hand and run again:$missing"
    [ "$(id -u)" = 0 ] && return 0
    have sudo && sudo -n true 2>/dev/null && { as_root='sudo -n'; return 0; }
    die "neither root nor sudo without a password; run this as root, then again 'make deps': apt-get install --no-install-recommends$*"
}
install() {
    for p in "$@"; do
        [ -n "$(candidate "$p")" ] || die "this distribution has no package '$p', which is needed here"
    done
    say "running: ${as_root:+sudo }apt-get install -y --no-install-recommends $*"
    mkdir -p build/deps
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >build/deps/apt.log 2>&1 && return
    tail -n 20 build/deps/apt.log >&2
    die "apt-get could not install: $*"
}
# The version of a package that apt would install, without its epoch; nothing if there is none.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}\([^(].*\)$/\2/p'
}

fetch_onednn() {
    case $(uname -sm) in
    'Linux x86_64') ;;
    *) die "no ready oneDNN >= 3.0 for $(uname -sm): build it and give its folder as ONEDNN_ROOT" ;;
    esac
    python3 -m pip --version >/dev/null 2>&1 || install python3 python3-pip
    say "running: python3 -m pip download -r tools/onednn.txt (37 MB), then unpacking it into $root"
    rm -rf "$wheels" "$root.part"
    mkdir -p "$wheels" "$root.part/lib"
    python3 -m pip download -q --no-deps --only-binary=:all: --require-hashes -r tools/onednn.txt -d "$wheels" ||
        die "the oneDNN wheels named in tools/onednn.txt could not be fetched; give another oneDNN >= 3.0 as ONEDNN_ROOT"
    for w in "$wheels"/*.whl; do python3 -m zipfile -e "$w" "$wheels"; done
    # The wheel holds the library three times; one and a link are enough.
    mv "$wheels"/onednn_devel_cpu_gomp-*.data/data/include "$root.part/include"
    mv "$wheels"/onednn_cpu_gomp-*.data/data/lib/libdnnl.so.3 "$root.part/lib/libdnnl.so.3"
    mv "$wheels"/onednn_cpu_gomp-*.data/data/share/doc/onednn "$root.part/doc"
    ln -s libdnnl.so.3 "$root.part/lib/libdnnl.so"
    rm -rf "$root" "$wheels"
    mv "$root.part" "$root"
}
get_onednn() {
    version=$(candidate libdnnl-dev)
    case $version in
    [3-9].* | [1-9][0-9].*)
        need_root libdnnl-dev
        install libdnnl-dev
        ;;
    *)
        say "oneDNN: this distribution's is ${version:-absent}, 3.0 or later is needed: taking the wheels of tools/onednn.txt"
        python3 -m pip --version >/dev/null 2>&1 || need_root python3 python3-pip
        fetch_onednn
        ;;
    esac
}

[ "$CC" = cc ] || have "${CC%% *}" || die "CC=$CC: there is no such program"
look
if [ -z "$missing" ] && [ $dnnl = 1 ]; then
    say "everything is there"
    exit 0
fi
say "missing here:"
printf '%s' "$list"
[ $dnnl = 1 ] || printf '  %-22s %s\n' oneDNN 'kernels, version 3.0 or later'
if [ -n "$missing" ]; then
    need_root "$missing"
    say "will run, as root: apt-get update, apt-get install$missing"
fi
[ $dnnl = 1 ] || say "will get oneDNN: libdnnl-dev from apt if that is 3.0 or later, else two wheels (37 MB) into $root"
if [ -n "$missing" ]; then
    $as_root apt-get update -q >/dev/null || die "apt-get update ended with an error"
    # shellcheck disable=SC2086
    install $missing
fi
onednn_there || get_onednn
look
[ -z "$missing" ] || die "still missing:$missing"
[ $dnnl = 1 ] || die "oneDNN >= 3.0 is still missing"
say "everything is there"
