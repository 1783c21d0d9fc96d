"""Measure what each weight of a model's towers means to their embeddings.

    python -m stages.sensitivity --visual data/patch/MODEL/visual/std \\
        --textual data/patch/MODEL/textual/std data/calibration/MODEL data/sensitivity/MODEL

Writes visual.json and textual.json. For every weight: `error`, the mean of 1 - cosine when it alone
is rounded to BITS, and for matrix products `input_error`, when what it multiplies is quantised to
8 bits as it comes. Of a table, TOWER.NAME.safetensors: the moments of the gradient at its rows, by
which what reads them weighs them. Inputs are a part of the calibration split.
"""

import argparse
import contextlib
import json
from pathlib import Path

from safetensors.numpy import save_file

from clip_onnx import absent, command, graphs
from clip_onnx.measure.calibration import Calibration
from clip_onnx.names import TOWERS
from stages.encode.sensitivity import readers_file
from stages.sensitivity import gradients


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for tower in TOWERS:
        parser.add_argument(f"--{tower}", type=Path, required=True)
    for name in ("calibration", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    with command.output(arguments.output) as directory:
        for tower in TOWERS:
            with contextlib.suppress(absent.Absent):
                model = graphs.load(getattr(arguments, tower))
                calibration = Calibration(arguments.calibration, tower)
                rows, readers = gradients.table(model, calibration, directory)
                found = {"bits": gradients.BITS, "block": gradients.BLOCK, "tensors": rows}
                text = json.dumps(found, indent=1, allow_nan=False)
                (directory / f"{tower}.json").write_text(text, "utf-8")
                for name, moments in readers.items():
                    save_file(moments._asdict(), directory / readers_file(tower, name))


if __name__ == "__main__":
    command.run(main)
