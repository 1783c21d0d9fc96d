"""A std tower beside what torch.onnx.export makes of OpenAI's module as it is.

    python -m bench.plain data/checkpoints/MODEL data/reference/MODEL data/models/MODEL/TOWER/fp32

Prints {plain_mb, plain_nodes, std_nodes, plain_ms, std_ms}: both files take turns, as in
bench/speed.py, with the same batch of 8 pictures or of 8 captions padded to 77 tokens, the one
length that a plain export of the textual tower takes.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from bench import speed
from clip_onnx import command, graphs
from clip_onnx.measure import inputs
from clip_onnx.openai import models

BATCH = 8


class Textual(torch.nn.Module):
    """encode_text, which torch.onnx.export takes only as a module's forward."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model.encode_text(input_ids)


def batch(directory, tower):
    """BATCH real pictures, or captions as OpenAI pads them."""
    if tower == "visual":
        return inputs.pixels(directory, range(BATCH))
    with inputs.reference(directory) as file:
        return file.get_tensor("input_ids")[:BATCH].astype(np.int64)


def export(checkpoint, tower, example, path):
    """torch.onnx.export with its defaults; the batch is dynamic."""
    model = models.load_tower(checkpoint, tower)
    module = (model.visual if tower == "visual" else Textual(model)).eval()
    axes = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own use of deprecated names
        torch.onnx.export(
            module, (torch.from_numpy(example),), path, dynamic_shapes=axes, verbose=False
        )


def nodes(directory):
    return len(onnx.load(directory / graphs.FILE, load_external_data=False).graph.node)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("checkpoint", "reference", "model"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    tower = graphs.load(arguments.model).metadata_props["graph"]
    example = batch(arguments.reference, tower)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder)
        export(arguments.checkpoint, tower, example, plain / graphs.FILE)
        runs = {
            "plain_ms": speed.onnx_run(plain, example),
            "std_ms": speed.onnx_run(arguments.model, example),
        }
        found = {
            "plain_mb": round(graphs.size(plain) / 1e6, 3),
            "plain_nodes": nodes(plain),
            "std_nodes": nodes(arguments.model),
        }
        print(json.dumps(found | speed.fastest(runs), allow_nan=False))


if __name__ == "__main__":
    command.run(main)
