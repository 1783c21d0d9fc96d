"""Which values a ResNet's activations take, by what calibration saw of their channels.

A range leaves out the outermost values, which did better than all of them; entropy's ranges were
all of them. They are among each picture's and channel's least and largest, which equalising
rescales exactly: no further pass over the pictures is needed.
"""

import math

import numpy as np
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData

OUTSIDE = 1e-5  # of a tensor's values, at each end of its range,
MOST = 0.01  # and of the extremes, for a picture's largest value may stand in it many times


def largest(model, calibration):
    """{name of a BatchNormalization: [channels] its largest values}."""
    norms = [norm_name(node) for node in model.graph if node.op_type == "BatchNormalization"]
    return {name: calibration.extremes(f"{name}.output")[1].max(0) for name in norms}


def norm_name(node):
    return node.inputs[1].name.removesuffix(".weight")


def of_activations(model, calibration, factors):
    """ONNX Runtime's TensorsData of what convolutions and ReLUs read and write.

    `model` still has its norms; factors: what equalise.apply divided their outputs by.
    """
    found = {}
    for node in model.graph:
        if node.op_type == "Conv":
            place = node.inputs[1].name.removesuffix(".weight")
            value, place, factor = node.inputs[0], f"{place}.input", factors.get(f"{place}.weight")
        elif node.op_type == "BatchNormalization":
            name = norm_name(node)
            value, place, factor = node.outputs[0], f"{name}.output", factors.get(name)
        elif node.op_type == "Relu" and node.inputs[0].producer().op_type == "Add":
            value, place, factor = node.inputs[0], f"{_block(node.inputs[0])}.sum", None
        else:
            continue
        extremes = calibration.extremes(place) / (1 if factor is None else factor)
        found[value.name] = ends(extremes, math.prod(value.shape[2:]))
    for node in model.graph:
        if node.op_type == "Relu":
            high = max(found[node.inputs[0].name][1], np.float32(0))
            found.setdefault(node.outputs[0].name, (np.float32(0), high))
    return TensorsData(CalibrationMethod.MinMax, found)


def ends(extremes, area):
    """(low, high) of [2, pictures, channels], least and largest of `area` values each."""
    low, high = np.sort(extremes.reshape(2, -1).astype(np.float32))
    beyond = int(min(OUTSIDE * area, MOST) * low.size)
    return low[beyond], high[-1 - beyond]


def _block(value):
    """The residual block that ends in a sum: the one whose last norm is added."""
    norms = [norm_name(v.producer()) for v in value.producer().inputs if _is_of_norm(v)]
    (block,) = {name.removesuffix(".bn3") for name in norms if name.endswith(".bn3")}
    return block


def _is_of_norm(value):
    return value.producer().op_type == "BatchNormalization"
