"""Seconds and memory that ONNX Runtime takes to load a model's file, and memory once it has run.

    python -m bench.load data/models/MODEL/TOWER/VARIANT    prints {load_s, load_rss_mb, run_rss_mb}

Each load is a fresh process with default options on the CPU, as clip_onnx/host/sessions.py's.
`load_s` is the creation of the session alone. `load_rss_mb` is the peak resident memory of such a
process by the operating system's accounting (`ru_maxrss`), about 45 MB of which are Python, numpy
and ONNX Runtime themselves. `run_rss_mb` is what is resident after two runs of one input more (a
caption of 16 tokens), when what was freed has been given back. All are medians.

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
RUN = """
import ctypes, sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
types = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(int32)": "int32"}
feeds = {}
for given in session.get_inputs():
    shape = [n if isinstance(n, int) else {"sequence": 16}.get(n, 1) for n in given.shape]
    feeds[given.name] = numpy.zeros(shape, types[given.type])
for _ in range(2):
    session.run(None, feeds)
ctypes.CDLL(None).malloc_trim(0)
status = open("/proc/self/status").read().split("VmRSS:")[1]
print(int(status.split()[0]) / 1e3)
"""


def loads(file):
    """(median seconds, median peak MB) of processes that load a file."""
    found = [said(PROGRAM, file) for _ in range(TIMES)]
    return tuple(map(statistics.median, zip(*found, strict=True)))


def resident(file):
    """Median MB of processes that have run a file."""
    return statistics.median(said(RUN, file)[0] for _ in range(TIMES))


def said(program, file):
    """(the number that a fresh process with a program prints of a file, its peak MB)."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as log:
        line = [sys.executable, "-c", program, str(file)]
        try:
            peak = measured(line, ".", log.name).peak_mb
        except command.Refusal:
            raise command.Refusal(log.read().strip().splitlines()[-1]) from None
        return float(log.read().split()[-1]), peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    file = arguments.model / "model.onnx"
    seconds, peak = loads(file)
    found = {"load_s": round(seconds, 4), "load_rss_mb": round(peak, 1)}
    found["run_rss_mb"] = round(resident(file), 1)
    print(json.dumps(found, allow_nan=False))


if __name__ == "__main__":
    command.run(main)
