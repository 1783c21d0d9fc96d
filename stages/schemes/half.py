"""Half-precision arithmetic, for GPUs, WebGPU and NPUs; inputs and outputs stay fp32.

onnxconverter-common converts. Norms and softmax compute in fp32 between casts; the causal mask's
-inf is one in half precision too; token ids stay integers, because 49406 and 49407 are the same
number in half precision.
"""

import warnings

import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass
from onnxconverter_common import float16

FP32_OPERATORS = ["LayerNormalization", "Softmax"]
SMALLEST, LARGEST = 2.0**-24, 65504.0  # of half precision; the converter's own range is narrower


def encode(model, encoding):
    ir.external_data.load_to_model(model)  # the converter knows nothing of external data
    with warnings.catch_warnings():
        # It warns of every tensor with a number below the smallest that half precision holds.
        warnings.filterwarnings("ignore", "the float32 number .* will be truncated")
        converted = float16.convert_float_to_float16(
            ir.to_proto(model),
            min_positive_val=SMALLEST,
            max_finite_val=LARGEST,
            keep_io_types=True,
            op_block_list=float16.DEFAULT_OP_BLOCK_LIST + FP32_OPERATORS,
        )
    model = ir.from_proto(converted)
    TopologicalSortPass()(model)
    return model
