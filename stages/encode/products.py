"""Matrix products whose weights stay in few bits in memory: how a graph has them.

    contrib    MatMulNBits(A, bytes [N, K/B, B·bits/8], scales [N, K/B]), of ONNX Runtime
    standard   MatMul(A, DequantizeLinear(int4 or int8 [K, N], scales [K/B, N])), of opset 21,
               which ONNX Runtime makes the same of as it loads the file

Scales are stored as int8 for each block and fp32 for each row, and multiplied as the file is
loaded. But for kernels that multiply int8 (`accuracy_level` 4) they are stored as they are: where a
graph is not optimised these take scales that are computed for zeros, and say nothing.
"""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet, rewrite

from clip_onnx import graphs
from clip_onnx.graphs import CONTRIB
from stages.encode.decoding import Decoder

INTEGERS = {4: ir.DataType.INT4, 8: ir.DataType.INT8}
STANDARD_OPSET = 21  # the first whose DequantizeLinear has blocks
INT8_PRODUCTS = 4  # accuracy_level


def convolved(op, pixels, weight, shape):
    maps = op.Conv(pixels, weight, _outputs=["maps"])
    return op.Transpose(op.Reshape(maps, shape), perm=[0, 2, 1], _outputs=["patches"])


def check(context, weight, maps, patches, **_):
    result, kernel = MatchResult(), list(weight.shape.numpy()[2:])
    conv = maps.producer().attributes
    whole = {"strides": kernel, "pads": [0] * 4, "dilations": [1, 1]}
    if any(list(conv.get_ints(name, [])) != wanted for name, wanted in whole.items()):
        return result.fail("patches overlap, or do not cover the picture")
    if kernel != [kernel[0]] * 2 or conv.get_int("group", 1) != 1:
        return result.fail("patches are no squares of all channels")
    return result


def multiplied(op, pixels, weight, patches, **_):
    """Reshape -> Transpose -> Reshape -> MatMul."""
    width, channels, side, _ = weight.shape.numpy()
    count = patches.shape[1]
    across = round(count**0.5)

    def to(lengths):
        name = f"patches.{len(lengths)}"
        return op.initializer(ir.tensor(np.array(lengths, np.int64), name=name), name=name)

    cut = op.Reshape(pixels, to([0, channels, across, side, across, side]))
    rows = op.Reshape(
        op.Transpose(cut, perm=[0, 2, 4, 1, 3, 5]), to([0, count, channels * side**2])
    )
    return op.MatMul(rows, op.initializer(transposed(weight), name=f"{weight.name}.T"))


def transposed(weight):
    """The weight [N, …] of a convolution as that of a product, [K, N]; read as it is needed."""
    stored, width = weight.const_value, weight.shape[0]

    def read():
        return ir.tensor(graphs.array(stored).reshape(width, -1).T.copy())

    shape = ir.Shape([stored.size // width, width])
    return ir.LazyTensor(read, dtype=stored.dtype, shape=shape, name=f"{weight.name}.T")


RULES = RewriteRuleSet([RewriteRule(convolved, multiplied, check)])


def from_patches(model):
    """The model, its convolution of patches written as the product that it is."""
    model = rewrite(model, RULES)
    RemoveUnusedNodesPass()(model)
    return model


def store(model, weight, rounded, encoding):
    """Store the weight of a product as a rounding.Rounded has it, with sub-scales."""
    decoder = Decoder(model, weight)
    if encoding.operators == "standard":
        decoder.finish(dequantized(decoder, rounded))
        return
    model.graph.opset_imports[CONTRIB] = 1
    outputs, inputs = rounded.integers.shape
    sub = rounded.scales.sub
    attributes = {
        "K": inputs,
        "N": outputs,
        "bits": rounded.bits,
        "block_size": inputs // sub.shape[1],
        "accuracy_level": encoding.accuracy_level,
    }
    stored = decoder.initializer(packed(rounded), f"uint{rounded.bits}")
    if encoding.accuracy_level == INT8_PRODUCTS:
        scales = decoder.initializer(rounded.scales.values(), "scale")
    else:
        scales = scaled(decoder, sub, rows(rounded.scales))
    product = weight.consumer
    decoder.op("MatMulNBits", product.inputs[0], stored, scales, domain=CONTRIB, **attributes)
    decoder.nodes[-1].name = product.name  # one for one, so the decoder's own would come again
    decoder.replace_consumer()


def rows(scales):
    """fp32 [N, 1]: what a row's sub-scales are multiplied by."""
    return scales.rows.astype(np.float32) * np.float32(2.0**scales.exponent)


def scaled(decoder, sub, rows):
    subs = decoder.to_float(decoder.initializer(np.ascontiguousarray(sub), "subscale"))
    return decoder.op("Mul", subs, decoder.initializer(np.ascontiguousarray(rows), "scale"))


def packed(rounded):
    """uint8 [N, K/B, B·bits/8]: the integers plus half their range, low bits first."""
    count, bits = rounded.scales.sub.shape[1], rounded.bits
    shifted = (rounded.integers.astype(np.int16) + 2 ** (bits - 1)).astype(np.uint8)
    if bits == 4:
        shifted = shifted[:, 0::2] | shifted[:, 1::2] << 4
    return shifted.reshape(len(shifted), count, -1)


def dequantized(decoder, rounded):
    """fp32 [K, N], which ONNX Runtime leaves as it is stored."""
    sub, bits = rounded.scales.sub, rounded.bits
    integers = np.ascontiguousarray(rounded.integers.T)
    stored = decoder.initializer(integers, f"int{bits}", INTEGERS[bits])
    scales = scaled(decoder, sub.T, rows(rounded.scales).T)
    block = len(integers) // sub.shape[1]
    return decoder.op("DequantizeLinear", stored, scales, axis=0, block_size=block)
