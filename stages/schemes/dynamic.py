"""int8 arithmetic for speed: ONNX Runtime's dynamic quantisation of the matrix products.

Activations are quantised as they come, weights per output channel; a CPU with VNNI or its like
is needed for the speed, and on an older x86 the products of 8-bit numbers may saturate.
Convolutions stay in fp32 arithmetic, since ConvInteger is slower than Conv, and with the token
table they are stored as int8 by the weight_only scheme.
"""

import contextlib
import logging
import tempfile
from pathlib import Path

import onnx_ir as ir
from onnxruntime.quantization import QuantType, quantize_dynamic

from stages import graph
from stages.params import WeightOnly
from stages.schemes import weight_only

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


def encode(model, encoding):
    with quiet(), tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / "quantized"
        quantized.mkdir()
        graph.save(model, folder)
        quantize_dynamic(
            Path(folder) / graph.FILE,
            quantized / graph.FILE,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=graph.weight_bytes(model) > graph.EXTERNAL_DATA_FROM,
        )
        model = ir.load(quantized / graph.FILE)
        ir.external_data.load_to_model(model)
    return weight_only.encode(model, REST)
