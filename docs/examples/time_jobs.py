#!/usr/bin/env python3
"""Times what `modnas profile --emit DIR` wrote with ONNX Runtime: a runner for another device, to copy and change.

    time_jobs.py DIR [RUNS] > measured.tsv        then: modnas profile ... --import measured.tsv

All files run in turns on one thread, RUNS times (50) after a warm-up, so that a machine that slows down slows all of them; each number is the median."""
import pathlib
import statistics
import sys
import time

import numpy
import onnxruntime

WARM_UP = 3

def open_job(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    return session, {image.name: numpy.zeros(image.shape, "float32")}


def milliseconds(session, feed):
    begin = time.perf_counter()
    session.run(None, feed)
    return 1e3 * (time.perf_counter() - begin)


def main():
    folder, runs = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    jobs = {path.stem: open_job(path) for path in sorted(folder.glob("*.onnx"))}
    turns = [[milliseconds(*job) for job in jobs.values()] for _ in range(WARM_UP + runs)]
    print("job\tlatency_ms")
    for name, times in zip(jobs, zip(*turns[WARM_UP:])):
        print(f"{name}\t{statistics.median(times):.6f}")


main()
