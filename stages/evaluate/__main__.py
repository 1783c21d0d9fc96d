"""Measure files against OpenAI's own code.

    python -m stages.evaluate data/reference/MODEL data/checkpoints/MODEL \\
        --file data/models/MODEL/GRAPH/VARIANT data/eval/MODEL.GRAPH.VARIANT.json [--file …] \\
        [--evalset data/evalset] [--labels-by data/patch/MODEL/textual/std]

Loads a file with ONNX Runtime's default optimisations (a large one decoded before, to the same
numbers: stages/evaluate/decoded.py), runs the evaluation split in every batch size and padding that
must agree and that the file takes, and writes the worst: parity.measure's metrics, `size_mb`, for
visual files the zero-shot `accuracy` on the labelled drawings, for 16-bit files how many tensors
were not half-precision numbers already (`rounded_tensors`), of a file made for a target whether it
says to have met it (`target_met`), and what else the file's kind of graph has
(stages/evaluate/kinds). Beside them stand the reference's own accuracy, the `control`: another
input's embedding, measured the same way, `cosines`, each input's worst, and `widths`, the bits of
every weight that the file says it has. All in the digits of clip_onnx/measure/parity.py.

One tower alone has no accuracy and no top-1, which take the other's embeddings. Of a graph that the
model does not have, `absent` says why, and there is no figure.

Products that take whole pictures need --evalset, classifiers besides the tower of --labels-by.
"""

import argparse
from pathlib import Path

from clip_onnx import absent, command
from clip_onnx.names import TOWERS
from stages.evaluate import kinds, results
from stages.evaluate.file import File
from stages.evaluate.truth import Truth


def evaluate(directory, output, truth, given):
    """Measure the file of one directory."""
    file = File(directory)
    found = kinds.NAMED[file.kind].measure(file, truth, given)
    found.metrics["size_mb"] = file.size / 1e6
    rounded = file.rounded()
    if rounded is not None and file.kind in TOWERS:
        found.metrics["rounded_tensors"] = len(rounded.split())
    if target := file.target():
        found.metrics["target_met"] = target["met"]
    results.write(output, found, rounded or "", file.widths())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("reference", "checkpoint"):
        parser.add_argument(name, type=Path)
    parser.add_argument(
        "--file", nargs=2, type=Path, action="append", required=True, metavar=("MODEL", "OUT")
    )
    parser.add_argument("--evalset", type=Path)
    parser.add_argument("--labels-by", type=Path)
    given = parser.parse_args()
    truth = Truth(given.reference)
    for directory, output in given.file:
        try:
            evaluate(directory, output, truth, given)
        except absent.Absent as absence:
            results.write_absent(output, absence)


if __name__ == "__main__":
    command.run(main)
