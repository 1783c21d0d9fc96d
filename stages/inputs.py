"""The evaluation set and the reference as the stages after them read them."""

import json

import numpy as np
from safetensors import safe_open

EVALUATION, CALIBRATION, LABELLED = "evaluation", "calibration", "labelled"  # the splits
PICTURES_FILE = "pictures.safetensors"
REFERENCE_FILE, PIXELS_FILE = "reference.safetensors", "pixel_values.npy"


def index(evalset):
    """The pictures' rows, in order: name, source, split, and label or None."""
    return json.loads((evalset / "pictures.json").read_text())


def rows_of(rows, split):
    """Numbers of the rows that belong to a split."""
    return [number for number, row in enumerate(rows) if row["split"] == split]


def captions(evalset):
    """{evaluation: texts, calibration: texts, prompts: how many evaluation captions, from the
    first on, name the drawn classes in order}."""
    return json.loads((evalset / "captions.json").read_text())


def reference(directory):
    """The open file of what OpenAI's code computes (a context manager); stages/reference.py."""
    return safe_open(directory / REFERENCE_FILE, framework="numpy")


def pixels(directory, rows):
    """float32 [rows, 3, R, R]: pictures as the reference saw them, none of the others in memory."""
    return np.array(np.load(directory / PIXELS_FILE, mmap_mode="r")[rows])


def picture(evalset, name):
    """One of the pictures, uint8 [height, width, 3], none of the others in memory."""
    with safe_open(evalset / PICTURES_FILE, framework="numpy") as file:
        return file.get_tensor(name)
