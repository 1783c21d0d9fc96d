"""How many of the evaluation set's inputs a model is measured and calibrated on.

`inputs:` of params.yaml says it by what a picture costs the visual tower, `models.MODEL.inputs`
for one model. Pictures and captions are spread over all there are; the drawings are the first
ones, in which every class stands as often.
"""

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from clip_onnx import command
from clip_onnx.measure import inputs
from clip_onnx.openai import towers


def gflop(sizes):
    """Billions of operations that a picture costs the visual tower; a multiply-add is two. 0 of a
    checkpoint without one."""
    if "visual" not in sizes.towers:
        return 0.0
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        towers.build(sizes, "visual")(torch.empty(1, 3, sizes.resolution, sizes.resolution))
    return counter.get_total_flops() / 1e9


def of(settings, model, sizes):
    """The sections.Amounts of a model, whose sizes are given."""
    cost = gflop(sizes)
    for amounts in settings.inputs:
        if amounts.gflop is None or cost <= amounts.gflop:
            break
    own = settings.models[model].inputs
    return amounts if own is None else amounts.model_copy(update=own.model_dump(exclude_none=True))


def spread(items, count):
    """`count` of the items, evenly spread; all where that is None."""
    items = list(items)
    if count is None or count >= len(items):
        return items
    return [items[place] for place in np.linspace(0, len(items) - 1, count).astype(int)]


def evaluated(index, amounts):
    """The rows of an index of pictures that are evaluated, drawings of every class among them."""
    drawn = inputs.rows_of(index, inputs.LABELLED)
    labelled = drawn[: amounts.drawn]
    every, kept = ({index[row]["label"] for row in rows} for rows in (drawn, labelled))
    if kept < every:
        raise command.Refusal(
            f"inputs: drawn: {amounts.drawn} leaves {len(every - kept)} of {len(every)} classes out"
            " of accuracy: raise it in params.yaml (`inputs`, or those of the model)"
        )
    rows = spread(inputs.rows_of(index, inputs.EVALUATION), amounts.pictures)
    return [index[row] for row in sorted(rows + labelled)]


def captions(texts, amounts):
    """The evaluation captions: those that name the classes, and some of the others."""
    found, prompts = texts[inputs.EVALUATION], texts["prompts"]
    return found[:prompts] + spread(found[prompts:], amounts.captions)
