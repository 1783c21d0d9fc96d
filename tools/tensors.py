"""Which weights two ONNX files differ in, for people."""

import numpy as np
import onnx_ir as ir

FIRST = 3  # tensors that are named


def apart(one, other):
    """{initializer: how many of its values differ}; those of one file alone count in full."""
    weights = [ir.load(path).graph.initializers for path in (one, other)]
    found = {
        name: values(*(side.get(name) for side in weights)) for name in {**weights[0], **weights[1]}
    }
    return {name: count for name, count in found.items() if count}


def values(one, other):
    """How many values of two initializers differ, bit for bit."""
    arrays = [value.const_value.numpy() for value in (one, other) if value is not None]
    first, last = arrays[0], arrays[-1]
    if len(arrays) < 2 or first.dtype != last.dtype or first.shape != last.shape:
        return max(array.size for array in arrays)
    bits = [np.ascontiguousarray(array).reshape(-1, 1).view(np.uint8) for array in arrays]
    return int((bits[0] != bits[1]).any(1).sum())


def told(one, other):
    """The first differing weights of two files by name, and how many values; "" if one is gone."""
    if not (one.exists() and other.exists()):
        return ""
    if one.suffix != ".onnx":
        return "bytes"
    found = apart(one, other)
    named = [f"`{name}` {count}" for name, count in list(found.items())[:FIRST]]
    named += [f"{len(found) - FIRST} more"] if len(found) > FIRST else []
    return ", ".join(named) or "no weight: the graph, or what it says of itself"
