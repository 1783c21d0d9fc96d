"""int8 convolutions for the speed of the ResNets: ONNX Runtime's static quantisation.

The visual tower is equalised, every BatchNormalization is folded into its convolution (both
exact), and the convolutions' weights are rounded with error feedback and bias correction. Then
QuantizeLinear and DequantizeLinear stand around every convolution, which runtimes fuse into
integer ones, with activations' ranges from the calibration pictures. The sums of the residual
stream stay in fp32: integer ones lose 6 dB. The attention pool's weights are stored as int8 by the
weight_only scheme.

Weights use 7 of the 8 bits, for the reason that stands in dynamic.py. Of the ranges, those that
leave out the outermost values did best; entropy's are the smallest and the largest value.
"""

import contextlib
import io
import math
import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    HistogramCollector,
    TensorsData,
    save_tensors_data,
)
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule
from tqdm import tqdm

from stages import command, graph
from stages.calibration import PICTURES
from stages.schemes import activations, bias, equalise, rounding, weight_only
from stages.schemes.dynamic import REST, quiet

BITS = 7
OPERATORS = ["Conv", "Relu"]
PERCENTILE, BINS = 99.999, 2048  # of a tensor's values that its range holds, by a histogram
GROUP_BYTES = 2**29  # of a picture's activations looked at in one run of the tower


def encode(model, encoding, calibration):
    """The tower with integer convolutions. Raises Refusal for a tower without BatchNorm."""
    if not any(node.op_type == "BatchNormalization" for node in model.graph):
        raise command.Refusal(
            f"{model.metadata_props['graph']} has no convolutions with BatchNorm to run in int8:"
            " only the ResNets' visual towers have; take scheme: dynamic for the others"
        )
    equalise.apply(model, convolutions(model), largest(model, calibration))
    equalise.apply(model, products(model))
    model = rewrite(model, [fuse_batchnorm_into_conv_rule])
    weight_only.encode_some(model, products(model), REST, calibration)
    scales = round_weights(model, calibration)
    with quiet(), contextlib.redirect_stdout(io.StringIO()):  # its collector prints
        return quantize(model, scales, ranges(model, calibration))


def quantize(model, scales, ranges):
    """Put quantisation around the convolutions.

    scales: {name of a convolution's weight: [N, 1]}; ranges: the activations' TensorsData.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save_tensors_data(ranges, folder / "ranges.json")
        graph.save(model, folder, external=True)
        quantized = folder / "quantized"
        quantized.mkdir()
        quantize_static(
            folder / graph.FILE,
            quantized / graph.FILE,
            calibration_cache_path=folder / "ranges.json",
            calibrate_method=CalibrationMethod.Percentile,
            op_types_to_quantize=OPERATORS,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            use_external_data_format=graph.weight_bytes(model) > graph.EXTERNAL_DATA_FROM,
            extra_options={"TensorQuantOverrides": {n: steps(s) for n, s in scales.items()}},
        )
        model = ir.load(quantized / graph.FILE)
        ir.external_data.load_to_model(model)
    return model


def convolutions(model):
    return [weight for weight in weight_only.weights(model) if weight.consumer.op_type == "Conv"]


def products(model):
    return [weight for weight in weight_only.weights(model) if weight.consumer.op_type == "MatMul"]


def round_weights(model, calibration):
    """Put every convolution's weights on its grid, in place: {its name: scales [N, 1]}."""
    rounded = []
    for weight, moments in activations.collect(model, convolutions(model), calibration.batches):
        matrix = weight.matrix()
        result = rounding.round_matrix(matrix, BITS, "row", moments.second)
        change = (matrix - result.matrix()) @ moments.mean
        rounded.append((weight, result, change))
    for weight, result, change in rounded:
        array = weight.arrange(result.matrix(), None).astype(np.float32)
        weight.value.const_value = ir.tensor(array, name=weight.value.name)
        bias.add(model, weight.consumer, 2, change)
    return {weight.value.name: result.scales.values() for weight, result, _ in rounded}


def steps(scales):
    """Scales as the quantiser takes them: one dictionary an output channel."""
    zero = np.int8(0)
    return [{"axis": 0, "scale": scale, "zero_point": zero} for scale in np.abs(scales[:, 0])]


def largest(model, calibration):
    """{output of a BatchNormalization: [channels] its largest values}."""
    found = {}
    norms = [node.outputs[0] for node in model.graph if node.op_type == "BatchNormalization"]
    for arrays in observe(model, norms, calibration):
        for name, array in arrays.items():
            found[name] = np.maximum(found.get(name, 0), array.max((0, 2, 3)))
    return found


def ranges(model, calibration):
    """The ranges of what convolutions read and write and of ReLUs, by ONNX Runtime's histograms."""
    collector = HistogramCollector("percentile", False, BINS, None, PERCENTILE, "same")
    nodes = [node for node in model.graph if node.op_type in OPERATORS]
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
