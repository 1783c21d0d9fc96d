"""What all quantisers ask of activations, from one float64 pass over the calibration split.

    python -m stages.calibrate MODEL data/checkpoints/MODEL data/evalset data/calibration/MODEL

Writes pixel_values.npy, and of each tower of the checkpoint a folder: of every weight of a product
or a convolution the moments of what it reads (NAME.safetensors, see calibration.Moments), and
tower.safetensors with `embeds`, of a text tower `input_ids` and the `scrambled` texts beside them,
of a ResNet the extremes of its activations. A convolution's moments are taken from some positions
of a picture. A tenth of the inputs is held out of the moments: its pixels, ids and embeddings stand
beside the others as `held_`.

The towers are those of `export`, which compute what OpenAI's modules do. No caption is padded.
"""

import dataclasses
import json

import numpy as np
from safetensors.numpy import save_file

from clip_onnx import command
from clip_onnx.host import preparation
from clip_onnx.measure import inputs
from clip_onnx.measure.calibration import HELD_PIXELS_FILE, Calibration, equally_long, parted
from clip_onnx.openai import amounts, command_line, passes, pixels, tokenize
from stages.calibrate import scrambled
from stages.calibrate.collected import Collected, Extremes

PICTURES = 4  # a batch


def given_to(tower, arguments, directory):
    """(what a tower's pass takes in batches, what is held out of it, tensors to keep)."""
    counts = arguments.amounts
    if tower == "visual":
        write_pictures(arguments, counts.calibration_pictures, directory)
        pictures = Calibration(directory, tower)
        return pictures.batches(PICTURES), pictures.batches(PICTURES, held=True), {}
    texts = inputs.captions(arguments.evalset)[inputs.CALIBRATION]
    texts = amounts.spread(texts, counts.calibration_captions)
    input_ids, held = (tokenize(part, truncate=True).numpy() for part in parted(texts))
    others = scrambled.texts(input_ids)
    kept = {"input_ids": input_ids, "held_input_ids": held}
    kept["scrambled"] = others.astype(input_ids.dtype)
    return [*equally_long(input_ids), *equally_long(others)], equally_long(held), kept


def write_pictures(arguments, count, directory):
    """Write the pixel_values of `count` calibration pictures, prepared as the model wants."""
    index, wanted = inputs.index(arguments.evalset), preparation.read(arguments.checkpoint)
    rows = amounts.spread(inputs.rows_of(index, inputs.CALIBRATION), count)
    files = (inputs.PIXELS_FILE, HELD_PIXELS_FILE)
    for file, part in zip(files, parted(rows), strict=True):
        names, path = [index[row]["name"] for row in part], directory / file
        side = arguments.sizes.resolution
        for _ in pixels.pixel_values(arguments.evalset, names, side, wanted, path):
            pass


def main():
    arguments = command_line.parse(__doc__)
    sizes = arguments.sizes
    about = {"architecture": json.dumps(dataclasses.asdict(sizes), allow_nan=False)}
    with command.output(arguments.output) as directory:
        for name in sizes.towers:
            given, held, kept = given_to(name, arguments, directory)
            tower = passes.of_checkpoint(arguments.checkpoint, sizes, name)
            collected, extremes = Collected(directory / name), Extremes(tower.module)
            embeds = tower.embed(given, collected.see, collected.write, f"calibrate {name}")
            embeds = embeds[: len(kept.get("input_ids", embeds))]
            found = {"embeds": embeds, "held_embeds": tower.embed(held, title=f"held out {name}")}
            found = {key: each.astype(np.float32) for key, each in found.items()}
            found |= extremes.tensors() | kept
            save_file(found, directory / name / Calibration.FILE, metadata=about)


if __name__ == "__main__":
    command.run(main)
