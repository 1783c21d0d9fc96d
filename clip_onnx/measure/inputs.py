"""The evaluation set and the reference as the stages after them read them.

Both list the pictures and captions they hold. A reference holds a part of the evaluation set: the
inputs on which its model is measured.
"""

import json

import numpy as np
from safetensors import safe_open

from clip_onnx import host

EVALUATION, CALIBRATION, LABELLED = "evaluation", "calibration", "labelled"  # the splits
PICTURES_FILE = "pictures.safetensors"
INDEX_FILE, CAPTIONS_FILE = "pictures.json", "captions.json"
REFERENCE_FILE, PIXELS_FILE = "reference.safetensors", "pixel_values.npy"


def index(directory):
    """The pictures' rows, in order: name, source, split, and label or None."""
    return json.loads((directory / INDEX_FILE).read_text("utf-8"))


def rows_of(rows, split):
    """Numbers of the rows that belong to a split."""
    return [number for number, row in enumerate(rows) if row["split"] == split]


def captions(directory):
    """{evaluation: texts, calibration: texts, prompts: how many evaluation captions, from the
    first on, name the drawn classes in order}. A reference has no calibration."""
    return json.loads((directory / CAPTIONS_FILE).read_text("utf-8"))


def write(directory, rows, texts):
    """Write what `index` and `captions` read."""
    (directory / INDEX_FILE).write_text(json.dumps(rows, indent=1, allow_nan=False), "utf-8")
    captions = json.dumps(texts, indent=1, ensure_ascii=False, allow_nan=False)
    (directory / CAPTIONS_FILE).write_text(captions, "utf-8")


def reference(directory):
    """The open file of what OpenAI's code computes (a context manager); stages/reference."""
    return safe_open(directory / REFERENCE_FILE, framework="numpy")


def token_rows(reference):
    """The token ids of an open reference's captions, each up to its end token: lists."""
    ids, about = reference.get_tensor("input_ids"), reference.metadata() or {}
    end_id = int(about["end_id"]) if "end_id" in about else None  # none of CLIP's
    ends = host.eot_positions(ids, end_id)
    return [row[: end + 1].tolist() for row, end in zip(ids, ends, strict=True)]


def pixels(directory, rows):
    """float32 [rows, 3, R, R]: pictures as the reference saw them, none of the others in memory."""
    return np.array(np.load(directory / PIXELS_FILE, mmap_mode="r")[rows])


def picture(evalset, name):
    """One of the pictures, uint8 [height, width, 3], none of the others in memory."""
    with safe_open(evalset / PICTURES_FILE, framework="numpy") as file:
        return file.get_tensor(name)
