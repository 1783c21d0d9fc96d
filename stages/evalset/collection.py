"""Photographs, their crops, drawings and captions, each of one source in one split."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from clip_onnx import command
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION, LABELLED
from stages.evalset import drawings

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
CALIBRATION_LINE = "--- calibration ---"
CALIBRATION_EVERY = 4  # of a user's own sources and captions
LARGEST = 1536


def photographs(path):
    """(file, source, split) of every photograph of a folder or a table."""
    path = Path(path)
    rows = _own(path) if path.is_dir() else _bundled(path)
    both = {s for _, s, split in rows if split == EVALUATION} & {
        s for _, s, split in rows if split == CALIBRATION
    }
    if both:
        raise command.Refusal(
            f"{path}: {', '.join(sorted(both))} stands in both splits; choose one"
        )
    return rows


def _own(folder):
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) < CALIBRATION_EVERY:
        raise command.Refusal(
            f"{folder} holds {len(files)} pictures, evalset.images needs at least"
            f" {CALIBRATION_EVERY}: add some, or name another folder"
        )
    return [(file, str(file.relative_to(folder)), _split(i)) for i, file in enumerate(files)]


def _bundled(path):
    import skimage  # only the table needs its pictures

    folder = Path(skimage.__file__).parent / "data"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(folder / r["file"], r["source"], r["split"]) for r in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError):
        rows = []
    if not rows or any(split not in (EVALUATION, CALIBRATION) for _, _, split in rows):
        raise command.Refusal(
            f"{path} is neither a folder of pictures nor a table of file, source and split"
            f" ({EVALUATION} or {CALIBRATION}): correct evalset.images in params.yaml"
        )
    return rows


def _split(index):
    return CALIBRATION if index % CALIBRATION_EVERY == CALIBRATION_EVERY - 1 else EVALUATION


def captions(path):
    """The two lists of captions of a text file."""
    try:
        lines = [line for line in Path(path).read_text("utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise command.Refusal(
            f"{path} is no readable UTF-8 text (evalset.captions): {error}"
        ) from None
    if CALIBRATION_LINE in lines:
        border = lines.index(CALIBRATION_LINE)
        split = {EVALUATION: lines[:border], CALIBRATION: lines[border + 1 :]}
    else:
        split = {EVALUATION: [], CALIBRATION: []}
        for index, line in enumerate(lines):
            split[_split(index)].append(line)
    for name, part in split.items():
        if not part:
            raise command.Refusal(f"{path} has no {name} captions: evalset.captions needs some")
    for caption in set(split[EVALUATION]) & set(split[CALIBRATION]):
        raise command.Refusal(f"{path}: {caption!r} stands in both splits; remove one")
    return split


def read_picture(file):
    """uint8 [height, width, 3] as OpenAI's transform sees it: orientation and alpha ignored.

    A picture of more than LARGEST pixels a side is scaled down to it first.
    """
    try:
        with Image.open(file) as picture:
            picture = picture.convert("RGB")
    except Exception as error:  # decoders raise whatever they like
        raise command.Refusal(
            f"{file} cannot be decoded, mend or remove it: {command.first_line(error)}"
        ) from None
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def crops(rng, picture, count):
    """`count` random windows of 40–90 % of the sides, so that aspect ratios differ."""
    height, width, _ = picture.shape
    for _ in range(count):
        h, w = (max(1, int(side * rng.uniform(0.4, 0.9))) for side in (height, width))
        top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
        yield np.ascontiguousarray(picture[top : top + h, left : left + w])


def pictures(path, settings):
    """(name, source, split, label, pixels) of every photograph, its crops and the drawings."""
    for file, source, split in photographs(path):
        rng = np.random.default_rng([settings.seed, *file.name.encode()])
        whole = read_picture(file)
        for index, pixels in enumerate([whole, *crops(rng, whole, settings.crops)]):
            yield f"{source}/{file.stem}/{index}", source, split, None, pixels
    for split, seed, count in (
        (LABELLED, 1, settings.drawn),
        (CALIBRATION, 2, settings.drawn_calibration),
    ):
        rng = np.random.default_rng([settings.seed, seed])
        for index in range(count):
            label = index % len(drawings.LABELS)
            if split == CALIBRATION:
                label = int(rng.integers(len(drawings.LABELS)))
            pixels = drawings.draw(rng, drawings.LABELS[label])
            yield f"drawn/{split}/{index}", f"drawn-{split}", split, label, pixels


def prompts():
    """A caption of each class from one template, and of every third class from another."""
    first, *others = drawings.PROMPTS
    yield from (first.format(label) for label in drawings.LABELS)
    for index, label in enumerate(drawings.LABELS[::3]):
        yield others[index % len(others)].format(label)
