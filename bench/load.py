"""Seconds and memory that ONNX Runtime takes to load a model's file.

    python -m bench.load data/models/MODEL/TOWER/VARIANT        prints {load_s, load_rss_mb}

Each load is a fresh process with default options on the CPU, as clip_onnx/host/sessions.py's.
`load_s` is the creation of the session alone. `load_rss_mb` is the peak resident memory of such a
process by the operating system's accounting (`ru_maxrss`), about 45 MB of which are Python, numpy
and ONNX Runtime themselves. Both are medians.

This program itself imports nothing large: a child's peak begins with its parent's.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench.process import measured
from clip_onnx import command

TIMES = 3
PROGRAM = """
import sys, time
import numpy, onnxruntime
started = time.perf_counter()
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(time.perf_counter() - started)
"""


def loads(file):
    """(median seconds, median peak MB) of processes that load a file."""
    seconds, peaks = [], []
    for _ in range(TIMES):
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as log:
            line = [sys.executable, "-c", PROGRAM, str(file)]
            try:
                peaks.append(measured(line, ".", log.name).peak_mb)
            except command.Refusal:
                raise command.Refusal(log.read().strip().splitlines()[-1]) from None
            seconds.append(float(log.read().split()[-1]))
    return statistics.median(seconds), statistics.median(peaks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    seconds, peak = loads(arguments.model / "model.onnx")
    print(json.dumps({"load_s": round(seconds, 4), "load_rss_mb": round(peak, 1)}, allow_nan=False))


if __name__ == "__main__":
    command.run(main)
