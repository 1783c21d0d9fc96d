"""Which values a tower's activations take on the calibration pictures.

ONNX Runtime's calibrators hold what all pictures make at once; here its histograms are fed picture
by picture. A range leaves out the outermost values, which did better than all of them; entropy's
ranges were all of them.
"""

import math
import tempfile

import numpy as np
from onnxruntime.quantization.calibrate import CalibrationMethod, HistogramCollector, TensorsData
from tqdm import tqdm

from stages.calibration import PICTURES
from stages.schemes import activations

PERCENTILE, BINS = 99.999, 2048  # of a tensor's values that its range holds, by a histogram
GROUP_BYTES = 2**29  # of a picture's activations, looked at in one run of the tower


def largest(model, calibration):
    """{output of a BatchNormalization: [channels] its largest values}."""
    found = {}
    norms = [node.outputs[0] for node in model.graph if node.op_type == "BatchNormalization"]
    for arrays in observe(model, norms, calibration):
        for name, array in arrays.items():
            found[name] = np.maximum(found.get(name, 0), array.max((0, 2, 3)))
    return found


def percentiles(model, operators, calibration):
    """ONNX Runtime's TensorsData of what nodes of these operators read and write."""
    collector = HistogramCollector("percentile", False, BINS, None, PERCENTILE, "same")
    nodes = [node for node in model.graph if node.op_type in operators]
    values = dict.fromkeys(value for node in nodes for value in (node.inputs[0], node.outputs[0]))
    for arrays in observe(model, values, calibration):
        collector.collect(arrays)
    return TensorsData(CalibrationMethod.Percentile, collector.compute_collection_result())


def observe(model, values, calibration):
    """Yield {name: array} of each picture, of as many of the values as GROUP_BYTES hold."""
    for group in groups(values):
        with tempfile.TemporaryDirectory() as folder:
            tower = activations.session(model, group, folder)
            for batch in tqdm(list(calibration.batches()), desc="ranges"):
                yield activations.run(tower, batch, [value.name for value in group])


def groups(values):
    """Cut values [batch, …] into lists that fit GROUP_BYTES."""
    group, used = [], 0
    for value in values:
        size = 4 * math.prod(value.shape[1:]) * PICTURES
        if group and used + size > GROUP_BYTES:
            yield group
            group, used = [], 0
        group.append(value)
        used += size
    yield group
