#!/usr/bin/env python3
"""Times what `modnas profile --emit DIR` wrote with ONNX Runtime: a runner for another device, to copy and change.

    time_jobs.py DIR [RUNS] > measured.tsv        then: modnas profile ... --import measured.tsv

Each file runs on one thread, after a warm-up, RUNS times (50); the number is the median."""
import pathlib
import statistics
import sys
import time

import numpy
import onnxruntime


def milliseconds(path, runs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    feed = {image.name: numpy.zeros(image.shape, "float32")}
    times = []
    for i in range(runs + 5):
        begin = time.perf_counter()
        session.run(None, feed)
        if i >= 5:
            times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def main():
    folder, runs = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    print("job\tlatency_ms")
    for path in sorted(folder.glob("*.onnx")):
        print(f"{path.stem}\t{milliseconds(path, runs):.6f}")


main()
