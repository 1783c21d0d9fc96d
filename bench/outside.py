"""The files of the built models on inputs that no one would calibrate for.

    python -m bench.outside [MODEL …]

tiny-vit and tiny-rn without names; data/models must hold their files (`make`). Pictures of noise,
of flat colours and of sharp checks, and rows of random or repeated tokens go through every file of
a tower and through OpenAI's code. Calibration has seen nothing like them, so this is where figures
end that were measured on pictures and captions. Writes bench/outside.json and .md.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench import comparison
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import pictures, preparation, sessions, tokens
from clip_onnx.measure import parity
from clip_onnx.openai import models
from clip_onnx.settings import params

RECORDS = Path("bench/outside.json")
MODELS = ("tiny-vit", "tiny-rn")
SEED, COUNT, SIDES = 0, 64, (2, 4, 8, 16)
CHECKS = ((0, 255), (64, 192))  # grey levels of a checkerboard's two kinds of fields
FIGURES = ("cosine_min", "cosine_mean", "snr_db")


def noise(rng, side):
    """Pictures in which every channel of every pixel is drawn for itself."""
    return list(rng.integers(0, 256, (COUNT, side, side, 3), np.uint8))


def flat(rng, side):
    """Black, white, and pictures of one random colour."""
    colours = np.concatenate([[[0] * 3, [255] * 3], rng.integers(0, 256, (COUNT - 2, 3))])
    return [np.full((side, side, 3), colour, np.uint8) for colour in colours]


def checks(_, side):
    """Checkerboards of several sizes and contrasts."""
    rows, columns = np.indices((side, side))
    boards = [((rows // size + columns // size) % 2) for size in SIDES]
    return [
        np.repeat(np.array(levels, np.uint8)[board][..., None], 3, -1)
        for board in boards
        for levels in CHECKS
    ]


def random_tokens(rng, _):
    """Rows of tokens of the whole vocabulary, as long as a row may be, in no order."""
    lengths = rng.integers(1, tokens.CONTEXT - 1, COUNT)
    return [rng.integers(0, tokens.START_ID, length).tolist() for length in lengths]


def repeated_tokens(rng, _):
    """Rows of one token again and again."""
    return [
        [int(token)] * (tokens.CONTEXT - 2) for token in rng.integers(0, tokens.START_ID, COUNT)
    ]


KINDS = {"visual": (noise, flat, checks), "textual": (random_tokens, repeated_tokens)}


def prepared(tower, made, checkpoint):
    """Batches as a tower takes them: pixel values, or padded input_ids."""
    if tower == "textual":
        rows = [[tokens.START_ID, *row, tokens.END_ID] for row in made]
        return list(sessions.batches(tokens.pad(rows)))
    how = preparation.read(checkpoint)
    side = architecture.of(checkpoint).resolution
    pixels = [pictures.preprocess(Image.fromarray(one), side, how) for one in made]
    return list(sessions.batches(np.stack(pixels)))


def measured(model, settings):
    """The records of every encoding of both towers of a built model."""
    checkpoint = Path("data/checkpoints") / model
    side = architecture.of(checkpoint).resolution
    for tower, kinds in KINDS.items():
        for kind in kinds:
            made = kind(np.random.default_rng(SEED), side)
            batches = prepared(tower, made, checkpoint)
            truth = models.embed(checkpoint, tower, map(torch.from_numpy, batches)).numpy()
            for encoding in settings.grid.variants(model, tower):
                if encoding not in settings.encodings:
                    continue  # a profile
                session = sessions.session(Path("data/models") / model / tower / encoding)
                found = parity.rounded(
                    parity.measure(truth, [sessions.run(session, batches)], None)
                )
                yield {
                    "model": model,
                    "tower": tower,
                    "inputs": kind.__name__.replace("_", " "),
                    "encoding": encoding,
                    **{name: found[name] for name in FIGURES},
                    "commit": commit(),
                }


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    groups = {}
    for record in records:
        groups.setdefault((record["model"], record["tower"], record["encoding"]), []).append(record)
    sections = []
    for tower in KINDS:
        rows = [
            {"model": model, "encoding": encoding}
            | {one["inputs"]: f"{one['cosine_min']:.6f}, {one['snr_db']:.1f} dB" for one in group}
            for (model, its, encoding), group in groups.items()
            if its == tower
        ]
        sections.append(f"## {tower}\n\n{comparison.table(rows)}\n")
    return f"""# Inputs far outside what encodings were calibrated on

Written by `make bench NAME=outside`, at commit {commits}. The worst cosine and the SNR of every
file of the shipped models
on {COUNT} pictures of noise, {COUNT} of one colour, {len(SIDES) * len(CHECKS)}
checkerboards, {COUNT} rows of random tokens and {COUNT} of one repeated token (`bench/outside.py`).

{chr(10).join(sections)}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=list(MODELS))
    names = parser.parse_args().models
    settings = params.load()
    for name in names:
        params.lookup(settings.models, name, "models")
        if name not in settings.grid.models or not (Path("data/models") / name).is_dir():
            raise command.Refusal(f"{name} is not built: add it to grid.models and run `make`")
    fresh = [record for name in names for record in measured(name, settings)]
    records = [one for one in read(RECORDS) if one["model"] not in names] + fresh
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


if __name__ == "__main__":
    command.run(main)
