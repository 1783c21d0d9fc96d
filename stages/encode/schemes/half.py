"""Half-precision arithmetic, for GPUs, WebGPU and NPUs; inputs and outputs stay fp32.

onnxconverter-common converts. Norms and softmax compute in fp32 between casts; the causal mask's
-inf is one in half precision too; token ids stay integers, because 49406 and 49407 are the same
number in half precision. With `fused` attention is one operator of ONNX Runtime's
(stages/encode/attention), and norms are in half precision, too: its GPU kernels sum both in fp32.
Then the end of a text is found among its ids as fp32, which holds them exactly: CUDA has no ArgMax
of integers, and one node on the CPU forbids a CUDA graph of the whole.

The converter copies a model several times over, so it gets to see graph inputs in the place of
large weights, which are rounded one by one as the file is written.
"""

import warnings

import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass
from onnxconverter_common import float16

from clip_onnx import graphs
from stages.encode import attention, decoding

FP32_OPERATORS = ["LayerNormalization", "Softmax"]
SMALLEST, LARGEST = 2.0**-24, 65504.0  # of half precision; the converter's own range is narrower
LARGE_BYTES = 2**16  # norms and biases are smaller


def encode(model, encoding, calibration=None, sensitivity=None):
    if encoding.fused:
        model = attention.fuse(model)
    weights = set_aside(model)
    ir.external_data.load_to_model(model)  # the converter knows nothing of external data
    with warnings.catch_warnings():
        # It warns of every tensor with a number below the smallest that half precision holds.
        warnings.filterwarnings("ignore", "the float32 number .* will be truncated")
        converted = float16.convert_float_to_float16(
            ir.to_proto(model),
            min_positive_val=SMALLEST,
            max_finite_val=LARGEST,
            keep_io_types=True,
            op_block_list=float16.DEFAULT_OP_BLOCK_LIST
            + ([] if encoding.fused else FP32_OPERATORS),
        )
    model = ir.from_proto(converted)
    put_back(model, weights)
    if encoding.fused:
        find_end_in_fp32(model)
    TopologicalSortPass()(model)
    return model


def find_end_in_fp32(model):
    for node in [node for node in model.graph if node.op_type == "ArgMax"]:
        ids = ir.node("Cast", node.inputs[:1], {"to": ir.DataType.FLOAT}, name=f"{node.name}_fp32")
        model.graph.insert_before(node, ids)
        node.replace_input_with(0, ids.outputs[0])


def set_aside(model):
    """Turn large fp32 initializers into graph inputs. Returns {name: tensor}."""
    weights = {}
    for name, value in list(model.graph.initializers.items()):
        tensor = value.const_value
        if tensor.dtype == ir.DataType.FLOAT and tensor.nbytes >= LARGE_BYTES:
            weights[name] = tensor
            model.graph.initializers.pop(name)
            value.const_value = None
            model.graph.inputs.append(value)
    return weights


def put_back(model, weights):
    """Replace the inputs that stand for `weights`, and their casts, by fp16 initializers."""
    for value in [value for value in model.graph.inputs if value.name in weights]:
        model.graph.inputs.remove(value)
        half = rounded(weights[value.name], value.name)
        stored = ir.Value(
            name=value.name, type=ir.TensorType(half.dtype), shape=half.shape, const_value=half
        )
        model.graph.register_initializer(stored)
        for cast in list(value.consumers()):
            ir.convenience.replace_all_uses_with(cast.outputs[0], stored)
            model.graph.remove(cast, safe=True)


def rounded(tensor, name):
    """The tensor in fp16, read and rounded when it is written; too large numbers are clipped."""

    def read():
        return ir.tensor(decoding.to_half(graphs.array(tensor)), name=name)

    return ir.LazyTensor(read, dtype=ir.DataType.FLOAT16, shape=tensor.shape, name=name)
