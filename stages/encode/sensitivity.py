"""What each weight of a tower means to its embedding, as `data/sensitivity/MODEL` holds it.

stages/sensitivity writes it.
"""

import json
from pathlib import Path

from safetensors import safe_open

from clip_onnx import command
from clip_onnx.measure.calibration import Moments


class Sensitivity:
    """One tower's part of data/sensitivity/MODEL."""

    def __init__(self, directory, tower):
        self.directory, self.tower = Path(directory), tower
        self.content = json.loads((self.directory / f"{tower}.json").read_text("utf-8"))

    @property
    def bits(self):
        """To how many bits each weight was rounded."""
        return self.content["bits"]

    @property
    def block(self):
        """How many weights shared a scale."""
        return self.content["block"]

    @property
    def rows(self):
        """A row a weight, in the graph's order: `name`, and what was measured."""
        return self.content["tensors"]

    def error(self, name):
        """The mean of 1 - cosine when the weight of this name alone is rounded so, transposed or
        not."""
        for row in self.rows:
            if row["name"].removesuffix(".T") == name.removesuffix(".T"):
                return row["error"]
        raise command.Refusal(f"the sensitivity table lacks {name}: rerun `sensitivity`")

    def readers(self, name):
        """The Moments of the gradient at the rows of a table: how what reads them weighs them."""
        with safe_open(self.directory / readers_file(self.tower, name), framework="numpy") as file:
            return Moments(*map(file.get_tensor, Moments._fields))


def readers_file(tower, name):
    return f"{tower}.{name}.safetensors"
