"""What all quantisers ask of activations, from one float64 pass over the calibration split.

    python -m stages.calibrate MODEL data/checkpoints/MODEL data/evalset data/calibration/MODEL

Writes pixel_values.npy, and of each tower of the checkpoint a folder: of every weight of a product
or a convolution the moments of what it reads (NAME.safetensors, see calibration.Moments), and
tower.safetensors with `embeds`, of a text tower `input_ids` and the `scrambled` texts beside them,
of a ResNet the extremes of its activations. A convolution's moments are taken from some positions
of a picture.

The towers are those of `export`, which compute what OpenAI's modules do. No caption is padded.
"""

import json

import numpy as np
from safetensors.numpy import save_file

from clip_onnx import command
from clip_onnx.host import preparation
from clip_onnx.measure import inputs
from clip_onnx.measure.calibration import Calibration, equally_long
from clip_onnx.openai import amounts, command_line, models, passes, pixels
from stages.calibrate import scrambled
from stages.calibrate.collected import Collected, Extremes

PICTURES = 4  # a batch


def given_to(tower, arguments, directory):
    """(what a tower's pass takes in batches, tensors to keep of it)."""
    counts = arguments.amounts
    if tower == "visual":
        wanted, count = preparation.read(arguments.checkpoint), counts.calibration_pictures
        file = directory / inputs.PIXELS_FILE
        write_pictures(arguments.evalset, arguments.sizes.resolution, wanted, count, file)
        return Calibration(directory, tower).batches(PICTURES), {}
    texts = inputs.captions(arguments.evalset)[inputs.CALIBRATION]
    texts = amounts.spread(texts, counts.calibration_captions)
    sizes = arguments.sizes
    input_ids = models.token_ids(arguments.checkpoint, texts, sizes).numpy()
    end_id = sizes.textual.end_id
    others = scrambled.texts(input_ids, end_id, sizes.vocab_size)
    batches = [*equally_long(input_ids, end_id), *equally_long(others, end_id)]
    return batches, {"input_ids": input_ids, "scrambled": others.astype(input_ids.dtype)}


def write_pictures(evalset, side, wanted, count, path):
    """Write the pixel_values of `count` calibration pictures, prepared as the model wants."""
    index = inputs.index(evalset)
    rows = amounts.spread(inputs.rows_of(index, inputs.CALIBRATION), count)
    names = [index[row]["name"] for row in rows]
    for _ in pixels.pixel_values(evalset, names, side, wanted, path):
        pass


def main():
    arguments = command_line.parse(__doc__)
    sizes = arguments.sizes
    about = {"architecture": json.dumps(sizes.written(), allow_nan=False)}
    with command.output(arguments.output) as directory:
        for name in sizes.towers:
            given, kept = given_to(name, arguments, directory)
            tower = passes.of_checkpoint(arguments.checkpoint, sizes, name)
            collected, extremes = Collected(directory / name), Extremes(tower.module)
            embeds = tower.embed(given, collected.see, collected.write, f"calibrate {name}")
            embeds = embeds[: len(kept.get("input_ids", embeds))].astype(np.float32)
            found = {"embeds": embeds} | extremes.tensors() | kept
            save_file(found, directory / name / Calibration.FILE, metadata=about)


if __name__ == "__main__":
    command.run(main)
