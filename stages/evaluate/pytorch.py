"""Measure the code that defines a model in fp32 here: how close a file can be expected to come.

    python -m stages.evaluate.pytorch data/checkpoints/MODEL data/reference/MODEL \\
        data/eval/MODEL.visual.pytorch.json data/eval/MODEL.textual.pytorch.json

Writes what stages.evaluate writes of a file, as the variant `pytorch`, which has no size. Pictures
come one at a time and sixteen, texts in the one form that OpenAI's code takes: padded with 0 to
all that the model reads.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from clip_onnx import absent, command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import sessions, tokens
from clip_onnx.openai import models
from stages.evaluate import results
from stages.evaluate.kinds import textual, visual
from stages.evaluate.truth import Truth


class Tower:
    """OpenAI's module, or another that defines the model, as stages.evaluate measures a file."""

    batch = length = None  # both axes are dynamic

    def __init__(self, checkpoint, tower):
        model = models.load_tower(checkpoint, tower)
        self.encode = model.encode_image if tower == "visual" else model.encode_text

    def expected(self, embeds):
        return embeds

    @torch.inference_mode()
    def run(self, batches):
        return np.concatenate([self.encode(torch.from_numpy(batch)).numpy() for batch in batches])

    def text_settings(self, rows, context):
        return [(tokens.pad(group, 0, context) for group in sessions.batches(rows))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("checkpoint", "reference", "visual", "textual"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    truth = Truth(arguments.reference)
    measures = {
        "visual": visual.measure,
        "textual": lambda tower, truth: textual.of_rows(tower, truth, truth.token_rows),
    }
    held = architecture.of(arguments.checkpoint).towers
    for name, measure in measures.items():
        output = getattr(arguments, name)
        if name in held:
            results.write(output, measure(Tower(arguments.checkpoint, name), truth))
        else:
            results.write_absent(output, absent.tower(name))


if __name__ == "__main__":
    command.run(main)
