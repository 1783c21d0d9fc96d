"""Photographs, their crops and drawings, each of one source in one split."""

import collections
import csv
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from clip_onnx import command, picture_files
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION, LABELLED
from stages.evalset import drawings
from stages.evalset.captions import CALIBRATION_EVERY, split_of

LARGEST = 1536
SHOWN = 10  # files that are left out, by name
LEAST = 2  # pictures: one alone has no other that could be told from it


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
    names = collections.Counter(name(file, source) for file, source, _ in rows)
    twice = sorted(name for name, times in names.items() if times > 1)
    if twice:
        raise command.Refusal(f"{path}: {twice[0]!r} is named twice: take one out")
    return rows


def name(file, source):
    """What a photograph is called in the set."""
    return f"{source}/{readable(file.stem)}"


def readable(text):
    """A file's name as UTF-8 has it; bytes that are none are spelled out."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def check_amounts(path, rows, settings):
    """Refuse what could neither be compared nor calibrated with, before a picture is opened."""
    counts = collections.Counter(split for _, _, split in rows)
    counts = {split: counts[split] * (1 + settings.crops) for split in (EVALUATION, CALIBRATION)}
    counts[CALIBRATION] += settings.drawn_calibration
    for split, remedy in {EVALUATION: "", CALIBRATION: " or evalset.drawn_calibration"}.items():
        if counts[split] < LEAST:
            raise command.Refusal(
                f"{path} gives {counts[split]} {split} pictures, at least {LEAST} are needed: add"
                f" some, or raise evalset.crops{remedy}"
            )
    classes = len(drawings.LABELS)
    if settings.drawn < classes:
        raise command.Refusal(
            f"evalset.drawn is {settings.drawn}: accuracy would leave {classes - settings.drawn} of"
            f" {classes} classes out; make it {classes} or more"
        )


def _own(folder):
    left = []
    files = picture_files.within(folder, lambda path, why: left.append((path, why)))
    for path, why in left[:SHOWN]:
        print(f"left out: {str(path)!r}: {why}", file=sys.stderr)
    if len(left) > SHOWN:
        print(f"left out: {len(left) - SHOWN} more", file=sys.stderr)
    if len(files) < CALIBRATION_EVERY:
        raise command.Refusal(
            f"{folder} holds {len(files)} pictures, evalset.images needs at least"
            f" {CALIBRATION_EVERY}: add some, or name another folder"
        )
    return [
        (file, readable(file.relative_to(folder)), split_of(index))
        for index, file in enumerate(files)
    ]


def _bundled(path):
    import skimage  # only the table needs its pictures

    folder = Path(skimage.__file__).parent / "data"
    if path.exists() and not path.is_file():
        raise command.Refusal(f"{path} is no plain file: correct evalset.images in params.yaml")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [(folder / r["file"], r["source"], r["split"]) for r in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, csv.Error):
        rows = []
    known = (EVALUATION, CALIBRATION)
    if not rows or not all(source and split in known for _, source, split in rows):
        raise command.Refusal(
            f"{path} is neither a folder of pictures nor a table of file, source and split"
            f" ({EVALUATION} or {CALIBRATION}): correct evalset.images in params.yaml"
        )
    return rows


def read_picture(file):
    """uint8 [height, width, 3] as OpenAI's transform sees it: orientation and alpha ignored.

    A picture of more than LARGEST pixels a side is scaled down to it first.
    """
    try:
        picture = picture_files.read(file).convert("RGB")
    except command.Refusal:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise command.Refusal(
            f"{str(file)!r} cannot be decoded, mend or remove it: {command.first_line(error)}"
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


def pictures(rows, settings):
    """(name, source, split, label, pixels) of every photograph, its crops and the drawings.

    `rows` are those of `photographs`. The same come every time.
    """
    for file, source, split in rows:
        rng = np.random.default_rng([settings.seed, *os.fsencode(file.name)])
        whole = read_picture(file)
        for index, pixels in enumerate([whole, *crops(rng, whole, settings.crops)]):
            yield f"{name(file, source)}/{index}", source, split, None, pixels
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
