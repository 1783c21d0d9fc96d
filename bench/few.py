"""The fp32 towers of a model on two pictures and two captions, beside the code that defines it.

    python -m bench.few data/checkpoints/MODEL \\
        --file data/models/MODEL/TOWER/VARIANT data/eval/MODEL.TOWER.VARIANT.json …

For models that are too large to be measured on all inputs. A tower is computed in float64, block by
block, and in ONNX Runtime. Writes what bench/models.py reads of stages.evaluate's files:
{"metrics": {"cosine_min", "size_mb", "inputs"}}.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture
from clip_onnx.host import preparation, sessions
from clip_onnx.host.pictures import preprocess
from clip_onnx.measure import parity
from clip_onnx.openai import models
from stages.evalset import drawings

LABELS = (drawings.LABELS[0], drawings.LABELS[-1])


def inputs(checkpoint):
    """{tower: its batch} of two drawings and their labels."""
    sizes, rng = architecture.of(checkpoint), np.random.default_rng(0)
    pictures = [Image.fromarray(drawings.draw(rng, label)) for label in LABELS]
    wanted = preparation.read(checkpoint)
    texts = [f"a drawing of a {label}" for label in LABELS]
    return {
        "visual": np.stack([preprocess(one, sizes.resolution, wanted) for one in pictures]),
        "textual": models.token_ids(checkpoint, texts, sizes).numpy().astype(np.int64),
    }


def metrics(checkpoint, file, tower, batch):
    """A file's worst cosine, its size, and of how many inputs."""
    exact = models.embed(checkpoint, tower, [torch.from_numpy(batch)]).numpy()
    worst = float(parity.cosine(exact, sessions.run(sessions.session(file), [batch])).min())
    if not math.isfinite(worst):
        raise command.Refusal(f"{file}: its embeddings are not finite")
    return {
        "cosine_min": round(worst, 7),
        "size_mb": round(graphs.size(file) / 1e6, 3),
        "inputs": len(batch),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--file", nargs=2, type=Path, action="append", required=True)
    arguments = parser.parse_args()
    batches = inputs(arguments.checkpoint)
    for file, output in arguments.file:
        tower = file.parent.name
        found = metrics(arguments.checkpoint, file, tower, batches[tower])
        with command.output_file(output) as partial:
            partial.write_text(json.dumps({"metrics": found}, allow_nan=False), "utf-8")


if __name__ == "__main__":
    command.run(main)
