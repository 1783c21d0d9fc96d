"""Run a .tflite file row by row. For the environment of LiteRT, without the rest of the project:

    .venv-litert/bin/python runtimes/litert_run.py MODEL.tflite INPUTS.npz OUTPUTS.npz

INPUTS has an array [n, …] for every input of the model; OUTPUTS gets one for every output.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main():
    model, inputs, outputs = sys.argv[1:]
    run = Interpreter(model).get_signature_runner()
    feeds = dict(np.load(inputs))
    rows = min(map(len, feeds.values()))
    found = [run(**{name: feed[[row]] for name, feed in feeds.items()}) for row in range(rows)]
    np.savez(outputs, **{name: np.concatenate([row[name] for row in found]) for name in found[0]})


if __name__ == "__main__":
    main()
