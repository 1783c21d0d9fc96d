"""int8 convolutions for the speed of the ResNets: ONNX Runtime's static quantisation.

The visual tower is equalised, every BatchNormalization is folded into its convolution (both
exact), and the convolutions' weights are rounded with error feedback and bias correction. Then
QuantizeLinear and DequantizeLinear stand around every convolution and ReLU, with ranges from the
calibration pictures; runtimes fuse them, and the sums and poolings in between, into integer
operators. Sums of their own ranges would be quantised a second time in front of their ReLU, which
loses 6 dB. The attention pool is no integer arithmetic: its weights are stored as int8 by the
weight_only scheme.

Weights use 7 of the 8 bits, for the reason that stands in dynamic.py.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.calibrate import CalibrationMethod, save_tensors_data
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule

from clip_onnx import command, graphs
from clip_onnx.settings.encodings import Form
from stages.encode import bias, equalise, ranges, weight_only
from stages.encode.schemes.dynamic import REST, quiet

FORM = Form(bits=7, block="row")
OPERATORS = ["Conv", "Relu"]


def encode(model, encoding, calibration, sensitivity=None):
    """The tower with integer convolutions. Raises Refusal for a tower without BatchNorm."""
    if not any(node.op_type == "BatchNormalization" for node in model.graph):
        raise command.Refusal(
            f"{model.metadata_props['graph']} has no convolutions with BatchNorm to run in int8:"
            " only the ResNets' visual towers have; take scheme: dynamic for the others"
        )
    known, found = fold(model, calibration)
    weight_only.encode_some(model, products(model), REST, known)
    scales = round_weights(model, known)
    with quiet(), contextlib.redirect_stdout(io.StringIO()):  # its collector prints
        return quantize(model, scales, found)


def fold(model, calibration):
    """Equalise, and leave no BatchNormalization, in place: the same function.

    Returns what is Known of the weights' inputs, and the ranges of the activations.
    """
    factors = equalise.apply(model, convolutions(model), ranges.largest(model, calibration))
    known = weight_only.Known(calibration, factors | equalise.apply(model, products(model)))
    found = ranges.of_activations(model, calibration, factors)
    rewrite(model, [fuse_batchnorm_into_conv_rule])
    return known, found


def quantize(model, scales, found):
    """Put quantisation around the convolutions. Takes the model's weights away.

    scales: {name of a convolution's weight: [N, 1]}; found: the activations' ranges.
    """
    large = graphs.weight_bytes(model) > graphs.EXTERNAL_DATA_FROM
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save_tensors_data(found, folder / "ranges.json")
        graphs.save(model, folder, external=True)
        for value in model.graph.initializers.values():
            value.const_value = None  # the quantiser holds several copies of its own
        quantized = folder / "quantized"
        quantized.mkdir()
        quantize_static(
            folder / graphs.FILE,
            quantized / graphs.FILE,
            calibration_cache_path=folder / "ranges.json",
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=OPERATORS,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            use_external_data_format=large,
            extra_options={"TensorQuantOverrides": {n: steps(s) for n, s in scales.items()}},
        )
        model = ir.load(quantized / graphs.FILE)
        ir.external_data.load_to_model(model)
    return model


def convolutions(model):
    return [weight for weight in weight_only.weights(model) if weight.consumer.op_type == "Conv"]


def products(model):
    return [weight for weight in weight_only.weights(model) if weight.consumer.op_type == "MatMul"]


def round_weights(model, known):
    """Put every convolution's weights on its grid, in place: {its name: scales [N, 1]}."""
    scales = {}
    forms = dict.fromkeys(convolutions(model), FORM)
    for weight, (result, change) in dict(weight_only.rounded(forms, known)).items():
        array = weight.arrange(result.matrix(), None).astype(np.float32)
        weight.value.const_value = ir.tensor(array, name=weight.value.name)
        bias.add(model, weight.consumer, 2, change)
        scales[weight.value.name] = result.scales.values()
    return scales


def steps(scales):
    """Scales as the quantiser takes them: one dictionary an output channel."""
    zero = np.int8(0)
    return [{"axis": 0, "scale": scale, "zero_point": zero} for scale in np.abs(scales[:, 0])]
