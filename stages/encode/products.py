"""Matrix products whose weights stay in few bits in memory: how a graph has them.

    contrib    MatMulNBits(A, bytes [N, K/B, B·bits/8], scales [N, K/B]), of ONNX Runtime
    standard   MatMul(A, DequantizeLinear(int4 or int8 [K, N], scales [K/B, N])), of opset 21,
               which ONNX Runtime makes the same of as it loads the file

Scales are stored as int8 for each block and fp32 for each row, and multiplied as the file is
loaded. Which CPU kernel runs is `accuracy_level`'s: at 4, products of int8.
"""

import numpy as np
import onnx_ir as ir

from clip_onnx import graphs
from stages.encode.decoding import Decoder

CONTRIB = "com.microsoft"
INTEGERS = {4: ir.DataType.INT4, 8: ir.DataType.INT8}
STANDARD_OPSET = 21  # the first whose DequantizeLinear has blocks


def from_patches(model):
    """Write a convolution whose patches do not overlap as the product that it is, in place.

    Conv -> Reshape -> Transpose becomes Reshape -> Transpose -> Reshape -> MatMul.
    """
    for node in [node for node in model.graph if node.op_type == "Conv"]:
        weight, after = node.inputs[1], node.outputs[0].uses()[0].node
        width, channels, height, _ = weight.shape.numpy()
        last = after.outputs[0].uses()[0].node
        tokens = last.outputs[0].shape[1]
        across = round(tokens**0.5)
        at = Sequence(model, node)
        cut = at.op("Reshape", node.inputs[0], [0, channels, across, height, across, height])
        patches = at.op("Transpose", cut, perm=(0, 2, 4, 1, 3, 5))
        rows = at.op("Reshape", patches, [0, tokens, channels * height * height])
        product = at.op("MatMul", rows, transposed(model, weight, width))
        product.shape, product.type = last.outputs[0].shape, last.outputs[0].type
        ir.convenience.replace_all_uses_with(last.outputs[0], product)
        for gone in (last, after, node):
            read = [value for value in gone.inputs[1:] if value.is_initializer()]
            model.graph.remove(gone, safe=True)
            for value in read:
                if not value.uses():
                    model.graph.initializers.pop(value.name)


def is_patches(node):
    """Whether a Conv's patches do not overlap, and only their order is changed behind it."""
    height, width = node.inputs[1].shape.numpy()[2:]
    strides = node.attributes["strides"].as_ints() if "strides" in node.attributes else [1, 1]
    kinds, value = [], node.outputs[0]
    while len(kinds) < 2 and len(value.uses()) == 1:
        kinds.append(value.uses()[0].node.op_type)
        value = value.uses()[0].node.outputs[0]
    return list(strides) == [height, width] == [height] * 2 and kinds == ["Reshape", "Transpose"]


class Sequence:
    """Nodes in front of one, named after it."""

    def __init__(self, model, node):
        self.model, self.before, self.count = model, node, 0

    def op(self, op_type, value, second=None, **attributes):
        name, self.count = f"{self.before.name}.{self.count}", self.count + 1
        inputs = [value]
        if isinstance(second, list):
            second = graphs.constant(self.model, second, f"{name}.shape")
        if second is not None:
            inputs.append(second)
        node = ir.node(op_type, inputs, attributes, name=name)
        node.outputs[0].name = name
        self.model.graph.insert_before(self.before, node)
        return node.outputs[0]


def transposed(model, weight, width):
    """The weight [N, …] of a convolution as that of a product, [K, N]."""
    stored, name = weight.const_value, f"{weight.name}.T"

    def read():
        return ir.tensor(graphs.array(stored).reshape(width, -1).T.copy(), name=name)

    shape = ir.Shape([stored.size // width, width])
    value = ir.Value(name=name, type=weight.type, shape=shape)
    value.const_value = ir.LazyTensor(read, dtype=stored.dtype, shape=shape, name=name)
    model.graph.register_initializer(value)
    return value


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
    scales = scaled(decoder, sub, rows(rounded.scales))
    product = weight.consumer
    decoder.op("MatMulNBits", product.inputs[0], stored, scales, domain=CONTRIB, **attributes)
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
