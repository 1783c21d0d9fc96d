"""Jobs of LiteRT's interpreter, one JSON a line from stdin, their answers to stdout. For the
environment of LiteRT, without the rest of the project:

    .venv-litert/bin/python bench/litert_jobs.py THREADS

A job names a `file`, its `inputs` (.npz), where its `outputs` go (.npz), and a `turn`: the file is
loaded when it, or the turn, is another one than before. The answer is {load_ms, run_ms}.
"""

import json
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main():
    last, run = None, None
    for line in sys.stdin:
        job = json.loads(line)
        given = dict(np.load(job["inputs"]))
        started = time.perf_counter()
        if last != (job["file"], job["turn"]):
            interpreter = run = None  # one at a time in memory
            interpreter = Interpreter(job["file"], num_threads=int(sys.argv[1]))
            interpreter.allocate_tensors()  # or else the first run would
            last, run = (job["file"], job["turn"]), interpreter.get_signature_runner()
        loaded = time.perf_counter()
        found = run(**given)
        ended = time.perf_counter()
        np.savez(job["outputs"], **found)
        ms = {"load_ms": (loaded - started) * 1000, "run_ms": (ended - loaded) * 1000}
        print(json.dumps(ms, allow_nan=False), flush=True)


if __name__ == "__main__":
    main()
