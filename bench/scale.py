#!/usr/bin/env python3
"""How the cost of a step grows: bench/step --alone along four axes, one changed at a time.

    scale.py PROGRAM OUT.json        PROGRAM: build/release/bench/step

The middle of the axes is what bench/step measures: CIFAR_MobileNetV2, batch 64, 2 threads, 6 candidates, depth 1. 'threads' goes as
far as the machine has CPUs."""
import json
import os
import subprocess
import sys
import tempfile

MODEL, REPS, PATHS = "CIFAR_MobileNetV2", 2, 5
CPUS = len(os.sched_getaffinity(0))
AXES = {
    "batch": [16, 64, 256],
    "threads": [n for n in (1, 2, 4, 8) if n == 1 or n <= CPUS],
    "candidates": [2, 4, 6],
    "depth": [1, 2, 3],
}


def measure(program, axis, value):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "step.json")
        print("measuring %s %s" % (axis, value), file=sys.stderr)
        subprocess.run([program, "--alone", "--model", MODEL, "--reps", str(REPS), "--paths", str(PATHS), "--" + axis, str(value),
                        "--json", out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(out) as file:
            return json.load(file)


def main(program, out):
    rows, about = [], {}
    for axis, values in AXES.items():
        for value in values:
            data = measure(program, axis, value)
            about = about or {"machine": data["machine"], "versions": data["versions"]}
            rows.append({"axis": axis, "at": value,
                         "figures": {r["measure"]: dict(r["value"], text=r["text"], unit=r["unit"]) for r in data["rows"]}})
    with open(out, "w") as file:
        json.dump({"program": "scale", "model": MODEL, "reps": REPS, "paths": PATHS, **about, "rows": rows}, file)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
