"""int8 arithmetic for speed: ONNX Runtime's dynamic quantisation of the matrix products.

Activations are quantised as they come, weights per output channel; layers are equalised before.
Weights use 7 of the 8 bits unless `bits` says 8: x86 CPUs without VNNI add two products of 8-bit
numbers in 16 bits, which saturate on full weights (cosines fell to 0.98), and one file has to
compute the same everywhere. Convolutions stay in fp32 arithmetic, since ConvInteger is slower than
Conv; they, the token table and the products that are excluded are stored as int8 by the
weight_only scheme.
"""

import contextlib
import logging
import tempfile
from pathlib import Path

import onnx_ir as ir
from onnxruntime.quantization import QuantType, quantize_dynamic

from clip_onnx import graphs
from clip_onnx.settings.encodings import WeightOnly
from stages.encode import weight_only

REST = WeightOnly(scheme="weight_only", bits=8)


@contextlib.contextmanager
def quiet():
    """It advises a pre-processing that would bake one runtime's operators into the file."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)


def excluded(sensitivity, count):
    """Names of the products that suffer most from 8 bits in what they multiply."""
    products = [row for row in sensitivity.rows if "input_error" in row]
    products.sort(key=lambda row: (-row["input_error"], row["name"]))
    return {row["name"] for row in products[:count]}


def encode(model, encoding, calibration, sensitivity):
    """Encode, as a Calibration and a Sensitivity say."""
    found = list(weight_only.weights(model))
    known = weight_only.calibrated(model, found, calibration, sensitivity)
    names = excluded(sensitivity, encoding.exclude)
    rest = [w for w in found if w.consumer.op_type != "MatMul" or w.value.name in names]
    # The rest first: ONNX Runtime's quantiser holds several copies of what it is given.
    weight_only.encode_some(model, rest, REST, known)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / "quantized"
        quantized.mkdir()
        graphs.save(model, folder)
        quantize_dynamic(
            Path(folder) / graphs.FILE,
            quantized / graphs.FILE,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=encoding.bits == 7,
            weight_type=QuantType.QInt8,
            use_external_data_format=graphs.weight_bytes(model) > graphs.EXTERNAL_DATA_FROM,
        )
        model = ir.load(quantized / graphs.FILE)
        ir.external_data.load_to_model(model)
    return model
