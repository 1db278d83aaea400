#!/bin/sh
# venv.sh NAME IMPORTS PACKAGE ...: a Python environment of its own for a test, build/deps/NAME, with packages of PyPI.
# What is there already, and imports, is kept.
set -eu
cd "$(dirname "$0")/.."
name=$1 imports=$2
shift 2
venv=build/deps/$name
log=build/deps/$name.log

say() { printf '%s: %s\n' "$name" "$*"; }
die() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }

"$venv/bin/python3" -c "import $imports" 2>/dev/null && { say "it is there"; exit 0; }
command -v python3 >/dev/null || die "there is no python3 here (Debian: apt-get install python3 python3-venv)"
mkdir -p build/deps
rm -rf "$venv"
python3 -m venv "$venv" >"$log" 2>&1 || {
    rm -rf "$venv"
    die "python3 makes no virtual environment here (Debian: apt-get install python3-venv)"
}
say "pip install $*"
"$venv/bin/python3" -m pip install -q "$@" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    rm -rf "$venv"
    die "'$*' could not be installed (all that pip said is in $log)"
}
say "it is there"
