"""Figures that git keeps: files that a command wrote once, and that a merge may have torn."""

import json
from pathlib import Path

import pandas as pd

from clip_onnx import command

METRICS = Path("metrics")
TORN = ("<<<<<<<", "=======", ">>>>>>>")  # what git leaves at the start of lines


def json_of(path):
    """The content of a JSON file. Raises Refusal for one that is missing or torn."""
    return _whole(path, lambda path: json.loads(path.read_text("utf-8")))


def csv_of(path):
    """The content of a CSV file as a DataFrame. Raises Refusal as `json_of` does."""
    return _whole(path, pd.read_csv)


def text_of(path):
    """The text of a file. Raises Refusal as `json_of` does."""
    return _whole(path, _text)


def _text(path):
    text = path.read_text("utf-8")
    if any(line.startswith(TORN) for line in text.splitlines()):
        raise ValueError("lines of both sides of a merge")
    return text


def _whole(path, read):
    if not path.exists():
        raise command.Refusal(f"{path} is missing: run `make`, or check it out of git")
    try:
        return read(path)
    except ValueError as error:  # of pandas and json
        raise command.Refusal(
            f"{path} is torn: check it out of git, or run `make` ({command.first_line(error)})"
        ) from None
