"""What products and convolutions read on the calibration split: means and second moments.

A tower runs on pictures one batch at a time, and on captions without padding, so that no token
after EOT counts.
"""

import tempfile
from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from tqdm import tqdm

from stages import graph, runtime

GROUP_BYTES = 2**30  # of second moments held at a time; more groups are more runs of the tower
POSITIONS = 196  # of a picture, at most, that a convolution's moments are taken from


class Moments(NamedTuple):
    """Of the inputs x of a weight [N, K]: E[x], [K], and E[x xᵀ], [K, K]."""

    mean: np.ndarray
    second: np.ndarray


def inputs_of(weight):
    """K, the number of inputs that an output of the weight reads."""
    shape = weight.value.shape.numpy()
    return shape[0] if weight.outputs_last else int(np.prod(shape[1:]))


def groups(weights):
    """Cut the weights into runs whose second moments fit GROUP_BYTES."""
    group, used = [], 0
    for weight in weights:
        size = 4 * inputs_of(weight) ** 2
        if group and used + size > GROUP_BYTES:
            yield group
            group, used = [], 0
        group.append(weight)
        used += size
    if group:
        yield group


def collect(model, weights, batches):
    """Yield (weight, Moments) of products and convolutions, as many at a time as GROUP_BYTES hold.

    `model` must stay as it is in between: it runs once a group.
    """
    for group in groups([weight for weight in weights if not weight.is_table]):
        sums = {}
        for weight, rows in _rows(model, group, batches):
            count, total, products = sums.get(weight.value.name, (0, 0, np.float32(0)))
            added = rows.T @ rows
            added += products
            sums[weight.value.name] = count + len(rows), total + rows.sum(0, dtype=float), added
        for weight in group:
            count, total, products = sums.pop(weight.value.name)
            yield weight, Moments(total / count, products / np.float32(count))


def _rows(model, weights, batches):
    """Yield (weight, [rows, K]) for every batch: what each of the weights reads."""
    sources = {weight.consumer.inputs[0].name: weight.consumer.inputs[0] for weight in weights}
    with tempfile.TemporaryDirectory() as folder:
        tower = session(model, sources.values(), folder)
        for batch in tqdm(list(batches()), desc="calibration"):
            found = run(tower, batch, list(sources))
            for weight in weights:
                yield weight, unfold(weight, found[weight.consumer.inputs[0].name])


def session(model, sources, folder):
    """The tower with further outputs, loaded from a file in `folder`."""
    outputs = list(model.graph.outputs)
    for value in sources:
        if value not in outputs and value not in list(model.graph.inputs):
            value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
            model.graph.outputs.append(value)
    graph.save(model, folder, external=True)
    model.graph.outputs[:] = outputs
    return runtime.session(folder)


def run(tower, batch, names):
    """{name: array} of the tower's input and outputs that are asked for."""
    given = runtime.feeds(tower, batch)
    fetched = [name for name in names if name not in given]
    outputs = tower.run(fetched, given) if fetched else []
    return given | dict(zip(fetched, outputs, strict=True))


def unfold(weight, array):
    """[rows, K]: what each output of a product, or of a convolution's position, is made from."""
    if weight.outputs_last:
        return np.ascontiguousarray(array.reshape(-1, array.shape[-1]), np.float32)
    attributes = weight.consumer.attributes
    height, width = weight.value.shape.numpy()[2:]
    top, left, bottom, right = attributes.get_ints("pads", [0, 0, 0, 0])
    down, across = attributes.get_ints("strides", [1, 1])
    padded = np.pad(array, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    windows = windows[:, :, ::down, ::across]  # [B, C, y, x, height, width]
    places = windows.shape[2] * windows.shape[3]
    y, x = np.divmod(np.arange(0, places, -(-places // POSITIONS)), windows.shape[3])
    picked = windows[:, :, y, x].transpose(0, 2, 1, 3, 4)  # [B, positions, C, height, width]
    return np.ascontiguousarray(picked.reshape(-1, inputs_of(weight)), np.float32)
