"""What an evaluation finds, and the JSON that it becomes."""

import json
from typing import NamedTuple

import numpy as np

from clip_onnx import command
from clip_onnx.measure import parity


class Found(NamedTuple):
    """Figures of a file, in the digits of clip_onnx/measure/parity.py once they are written."""

    metrics: dict
    reference: dict  # the reference's own accuracy, where there is one
    control: dict  # the same figures of another input's embedding
    cosines: list  # each input's worst


def cosines(reference, runs):
    """The cosine of each input, the worst over `runs`: those that parity.measure summarises."""
    worst = np.min([parity.cosine(reference, embeds) for embeds in runs], axis=0)
    return [parity.repeatable("cosine", cosine) for cosine in worst.tolist()]


def top1(chosen, reference, labels):
    """(accuracy, the reference's own, the control's) of chosen classes [n], where `labels` are
    right and the reference chose `reference`; the control is the choice for another picture."""
    right = chosen, reference, np.roll(reference, 1)
    return [float((classes == labels).mean()) for classes in right]


def write_absent(path, absence):
    """Write of a graph that the model does not have the reason, and no figure."""
    with command.output_file(path) as partial:
        partial.write_text(json.dumps({"absent": absence.reason}, allow_nan=False), "utf-8")


def write(path, found, changed="", widths=None):
    """Write what was Found, and what the file says of its weights."""
    figures = {"metrics": found.metrics, "reference": found.reference, "control": found.control}
    content = {name: parity.rounded(figure) for name, figure in figures.items()}
    content |= {"cosines": found.cosines, "rounded": changed, "widths": widths or {}}
    with command.output_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False), "utf-8")
