#!/bin/sh
# Install what bench/step compares with: the original (noah-vega, from PyPI) and PyTorch, into build/bench-venv. `make bench-deps` runs it.
#
# PyPI's PyTorch for Linux is built for CUDA and wants CUDA's libraries to be there even where it computes on the CPU: about 2.5 GB to
# fetch, 5 GB on disk. A smaller build serves as well: give its file or version as BENCH_TORCH (for example torch-2.12.1+cpu-....whl), and
# the torchvision that belongs to it as BENCH_TORCHVISION. What is there already is kept.
set -eu
cd "$(dirname "$0")/.."
venv=build/bench-venv
torch=${BENCH_TORCH:-torch==2.12.1}
torchvision=${BENCH_TORCHVISION:-torchvision==0.27.1}
original=noah-vega==1.8.5 # without its dependencies: they are Vega's, not the original's
log=build/bench-deps.log

say() { printf 'bench-deps: %s\n' "$*"; }
die() {
    printf 'bench-deps: %s\n' "$*" >&2
    exit 1
}
is_complete() { "$venv/bin/python" bench/peer/original.py >/dev/null 2>&1; }
get() {
    say "pip install $*"
    "$venv/bin/python" -m pip install -q "$@" >"$log" 2>&1 && return
    tail -n 5 "$log" >&2
    die "'$*' could not be installed (all that pip said is in $log); bench/step runs without it, but alone"
}

[ "$(uname -s)" = Linux ] || die "the original is compared with on Linux only"
is_complete && { say "everything is there"; exit 0; }
command -v python3 >/dev/null || die "there is no python3 here (Debian: apt-get install python3 python3-venv)"
mkdir -p build
[ -x "$venv/bin/python" ] || python3 -m venv "$venv" >"$log" 2>&1 || {
    rm -rf "$venv"
    die "python3 makes no virtual environment here (Debian: apt-get install python3-venv)"
}
get "$torch" "$torchvision" numpy pyyaml safetensors
get --no-deps "$original"
is_complete || {
    "$venv/bin/python" bench/peer/original.py 2>&1 | tail -n 5 >&2
    die "all is installed, and yet the original cannot be loaded"
}
say "everything is there"
