#!/bin/sh
# Install the tensorboard package, which tests/test_writer reads files with, into build/deps/tensorboard (60 MB to fetch).
# What is there already is kept; without it that one test is skipped.
set -eu
cd "$(dirname "$0")/.."
venv=build/deps/tensorboard
package=tensorboard==2.21.0
log=build/deps/tensorboard.log

say() { printf 'tensorboard: %s\n' "$*"; }
die() { printf 'tensorboard: %s\n' "$*" >&2; exit 1; }

"$venv/bin/python3" -c 'import tensorboard' 2>/dev/null && { say "it is there"; exit 0; }
command -v python3 >/dev/null || die "there is no python3 here (Debian: apt-get install python3 python3-venv)"
mkdir -p build/deps
rm -rf "$venv"
python3 -m venv "$venv" >"$log" 2>&1 || {
    rm -rf "$venv"
    die "python3 makes no virtual environment here (Debian: apt-get install python3-venv)"
}
say "pip install $package"
"$venv/bin/python3" -m pip install -q "$package" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    rm -rf "$venv"
    die "'$package' could not be installed (all that pip said is in $log)"
}
say "it is there"
