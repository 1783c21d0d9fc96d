"""The evaluation set and the reference as the stages after them read them."""

import json

from safetensors import safe_open

EVALUATION, CALIBRATION, LABELLED = "evaluation", "calibration", "labelled"  # the splits
REFERENCE_FILE = "reference.safetensors"


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


def pictures(evalset):
    """The open file of uint8 [height, width, 3] arrays by name (a context manager)."""
    return safe_open(evalset / "pictures.safetensors", framework="numpy")
