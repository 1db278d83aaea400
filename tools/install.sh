#!/bin/sh
# `make install` and `make uninstall`: install.sh install|uninstall
#
# Takes from the environment, as the Makefile sets it: B (build folder), version, DESTDIR (put in front of every folder, for
# packages), prefix, bindir, libdir, includedir, docdir, and LINK (how the program is linked, but for its output and RPATH).
#
# Every file is written beside its place and renamed into it, so an old version that runs keeps its files. What was installed
# is listed in docdir/installed.txt: a later install removes what it no longer brings, uninstall removes all of it. A line is
#   WHERE/PATH           a file; WHERE is bin, lib, include or doc, so that the list holds after the tree was moved
#   made N WHERE/PATH    this folder and N - 1 above it were not there before
set -eu
umask 022
cd "$(dirname "$0")/.."
say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
: "${B:?}" "${version:?}"
prefix=$(absolute "$prefix") bindir=$(absolute "$bindir") libdir=$(absolute "$libdir")
includedir=$(absolute "$includedir") docdir=$(absolute "$docdir")
DESTDIR=${DESTDIR:+$(absolute "$DESTDIR")}
list=$DESTDIR$docdir/installed.txt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# place WHERE/PATH: the path that a line of the list stands for, without DESTDIR
place() {
    case $1 in
    bin/*) echo "$bindir/${1#*/}" ;;
    lib/*) echo "$libdir/${1#*/}" ;;
    include/*) echo "$includedir/${1#*/}" ;;
    doc/*) echo "$docdir/${1#*/}" ;;
    *) die "$list: '$1' is no line of such a list" ;;
    esac
}

# ---- putting ------------------------------------------------------------------------------------------------------------------
folder() { # WHERE/PATH of a file: make its folder, note what was not there
    at=$(dirname "$DESTDIR$(place "$1")") n=0
    while [ ! -d "$at" ]; do
        n=$((n + 1))
        at=$(dirname "$at")
    done
    [ $n = 0 ] || printf 'made %d %s\n' $n "$(dirname "$1")/" >>"$tmp/made"
    mkdir -p "$(dirname "$DESTDIR$(place "$1")")"
}
put() { # mode file WHERE/PATH
    folder "$3"
    to=$DESTDIR$(place "$3")
    install -m "$1" "$2" "$to.new"
    mv -f "$to.new" "$to"
    echo "$3" >>"$tmp/files"
}
put_link() { # target WHERE/PATH
    folder "$2"
    to=$DESTDIR$(place "$2")
    ln -sfn "$1" "$to.new"
    mv -fT "$to.new" "$to"
    echo "$2" >>"$tmp/files"
}
put_all() { # WHERE/PATH of a folder, files
    to_folder=$1
    shift
    for f in "$@"; do put 644 "$f" "$to_folder/$(basename "$f")"; done
}

put_library() {
    put 755 "$B/libmodnas.so.$version" "lib/libmodnas.so.$version"
    put_link "libmodnas.so.$version" "lib/libmodnas.so.${version%%.*}"
    put_link "libmodnas.so.${version%%.*}" lib/libmodnas.so
    put 644 "$B/libmodnas.a" lib/libmodnas.a
    for f in "$B"/modnas-plugins/*.so*; do put 755 "$f" "lib/modnas-plugins/$(basename "$f")"; done
}
# The program finds the library by the way from its folder to the library's, so both may move together.
put_program() {
    $LINK -Wl,-rpath,"\$ORIGIN/$(realpath -m --relative-to="$bindir" "$libdir")" -o "$tmp/modnas"
    put 755 "$tmp/modnas" bin/modnas
}
put_pkgconfig() {
    # Folders inside the prefix are written by it: pkg-config --define-prefix then follows a tree that was moved.
    below() { case $1 in "$prefix"/*) printf '${prefix}/%s' "${1#"$prefix"/}" ;; *) printf %s "$1" ;; esac; }
    value() { printf %s "$1" | sed 's/ /\\ /g; s/[\\&|]/\\&/g'; }
    sed "s|@prefix@|$(value "$prefix")|; s|@libdir@|$(value "$(below "$libdir")")|
        s|@includedir@|$(value "$(below "$includedir")")|; s|@version@|$version|" pkgconfig/modnas.pc.in >"$tmp/modnas.pc"
    put 644 "$tmp/modnas.pc" lib/pkgconfig/modnas.pc
}
# Ways in them are relative to where they lie, so they follow a tree that was moved.
put_cmake() {
    at=$libdir/cmake/modnas
    way() { value "$(realpath -m --relative-to="$1" "$2")"; }
    for f in modnas-config modnas-config-version; do
        sed "s|@up@|$(way "$at" "$prefix")|; s|@libdir@|$(way "$prefix" "$libdir")|; s|@includedir@|$(way "$prefix" "$includedir")|
            s|@version@|$version|; s|@major@|${version%%.*}|; s|@series@|${version%.*}|
            s|@static_libs@|protobuf-c;cyaml;yaml;png;jpeg;z;m;pthread;dl|" pkgconfig/$f.cmake.in >"$tmp/$f.cmake"
        put 644 "$tmp/$f.cmake" lib/cmake/modnas/$f.cmake
    done
}
put_docs() {
    put_all doc README.md CHANGELOG.md LICENSE
    put_all doc/docs docs/*.md
    put_all doc/docs/design docs/design/*.md
    put_all doc/docs/examples docs/examples/*.yaml docs/examples/*.c docs/examples/*.cpp docs/examples/*.py
    # The oneDNN that lies beside its plug-in comes with its licence.
    [ ! -e "$B/modnas-plugins/libdnnl.so.3" ] || put_all doc/onednn "$ONEDNN_ROOT"/doc/LICENSE "$ONEDNN_ROOT"/doc/THIRD-PARTY-PROGRAMS
}

do_install() {
    : >"$tmp/old"
    [ ! -e "$list" ] || cp "$list" "$tmp/old"
    sed -n '/^made /p' "$tmp/old" >"$tmp/made"
    put_library
    put_all include/modnas include/modnas/*.h
    put_all include/modnas/sys include/modnas/sys/*.h
    put_all include/modnas bindings/cpp/modnas/*.hpp
    put 644 bindings/cpp/modnas.hpp include/modnas.hpp
    put_pkgconfig
    put_cmake
    put_program
    put_docs
    cp "$tmp/made" "$tmp/installed.txt"
    echo doc/installed.txt >>"$tmp/files"
    sort "$tmp/files" >>"$tmp/installed.txt"
    put 644 "$tmp/installed.txt" doc/installed.txt
    grep -vxF -f "$tmp/files" "$tmp/old" | grep -v '^made ' >"$tmp/gone" || true
    remove "$tmp/gone"
    say "$(sort -u "$tmp/files" | wc -l) files: program in $DESTDIR$bindir, library in $DESTDIR$libdir, headers in $DESTDIR$includedir"
    case $DESTDIR$prefix in
    /usr | /usr/local) say "run ldconfig once, as root, if this is the first libmodnas here" ;;
    esac
}

# ---- removing -----------------------------------------------------------------------------------------------------------------
remove() { # list of files
    while read -r line; do rm -f "$DESTDIR$(place "$line")"; done <"$1"
}
do_uninstall() {
    [ -e "$list" ] || { say "nothing is installed there: no $list"; return; }
    cp "$list" "$tmp/old"
    grep -v '^made ' "$tmp/old" >"$tmp/files"
    remove "$tmp/files"
    sed -n 's/^made //p' "$tmp/old" | tac | while read -r n line; do
        at=$DESTDIR$(place "$line")
        at=${at%/}
        while [ "$n" -gt 0 ] && rmdir "$at" 2>/dev/null; do
            at=$(dirname "$at")
            n=$((n - 1))
        done
    done
    say "removed what $list named"
}

case $1 in
install) do_install ;;
uninstall) do_uninstall ;;
*) die "install.sh install|uninstall" ;;
esac
