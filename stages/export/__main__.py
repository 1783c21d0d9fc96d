"""Trace both towers into ONNX without holding their weights in memory.

    python -m stages.export data/checkpoints/MODEL data/export/MODEL

Writes a folder a tower, `visual` and `textual`. The modules are traced from fake tensors; the
graphs' initializers then read the checkpoint's tensors one at a time while a file is written. That
of a tower which the checkpoint lacks says so (clip_onnx/absent.py).
"""

import argparse
from pathlib import Path

from clip_onnx import absent, command, graphs
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import preparation
from clip_onnx.names import TOWERS
from stages.export import tracing


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("checkpoint", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    sizes = architecture.of(arguments.checkpoint)
    sha256, wanted = weights.sha256(arguments.checkpoint), preparation.read(arguments.checkpoint)
    with command.output(arguments.output) as directory:
        for tower in TOWERS:
            (directory / tower).mkdir()
            if tower not in sizes.towers:
                absent.write(directory / tower, absent.tower(tower))
                continue
            model = tracing.trace(sizes, tower)
            model.graph.doc_string = None
            tracing.fill(model, arguments.checkpoint, tower, sizes)
            graphs.describe(model, **tracing.provenance(sha256, tower, sizes, wanted))
            graphs.save(model, directory / tower, external=True)


if __name__ == "__main__":
    command.run(main)
