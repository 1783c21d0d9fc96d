"""Weights stored in few bits, decoded by standard operators, computed with in fp32.

    MatMul, Conv     initializer -> Cast [-> Mul(scale) [-> Reshape]] -> the fp32 weight
    Gather (tokens)  the rows are gathered first and decoded after: Gather -> Cast -> Mul(scale)

ONNX Runtime and others fold the first chain when they load the file, so it runs as the fp32 one
does. DequantizeLinear is not used: ONNX Runtime fuses it into products with quantised
activations. Biases, norms, and positional and class embeddings stay in fp32.

A scale belongs to a row (all weights of one output, or of one token) in fp32, or to a block of a
row in fp16 (fp32 where half precision would be too coarse); it maps the largest weight to 127.

A tensor of less than a thousandth of the weights is kept in fp16: fewer bits would save nothing,
and the ResNets' first convolutions, which are among them, make most of the error on smooth
pictures.
"""

from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from stages import graph
from stages.params import WeightOnly

HALF = WeightOnly(scheme="weight_only", bits=16)
PLACES = {"MatMul": 1, "Conv": 1, "Gather": 0}  # of the weight among an operator's inputs
SMALL_SHARE = 1e-3
SMALLEST_SCALE = 2.0**-126  # the smallest normal number, for rows of zeros
SMALLEST_HALF, LARGEST_HALF = 2.0**-14, 65504.0  # between them half precision keeps 11 bits


class Weight(NamedTuple):
    """An initializer and the node input that it feeds."""

    value: ir.Value
    consumer: ir.Node
    place: int

    @property
    def outputs_last(self):
        """Whether a row, the weights of one output, is a column of the stored matrix."""
        return self.consumer.op_type == "MatMul"


def weights(model):
    """Every weight of a product, a convolution or a table, in the graph's order."""
    for node in model.graph:
        place = PLACES.get(node.op_type)
        if place is not None:
            value = node.inputs[place]
            if value.is_initializer() and value.dtype == ir.DataType.FLOAT:
                yield Weight(value, node, place)


def block_length(row, block):
    """The longest divisor of a row's length that is no longer than `block`."""
    if block == "row":
        return row
    return next(length for length in range(min(block, row), 0, -1) if row % length == 0)


def quantize(array, bits, block, outputs_last):
    """(integers, scales) whose product, reshaped, approximates `array`.

    Rows are blocked along the inputs: [K, N] becomes [K/B, B, N] where outputs come last, and
    [R, …] becomes [R, K/B, B] otherwise; without blocks the array keeps its shape.
    """
    whole = block == "row"
    if outputs_last:
        length = block_length(array.shape[0], block)
        blocked = array if whole else array.reshape(-1, length, array.shape[1])
        axes = -2
    else:
        length = block_length(int(np.prod(array.shape[1:])), block)
        blocked = array if whole else array.reshape(array.shape[0], -1, length)
        axes = tuple(range(1, array.ndim)) if whole else -1
    top = 2 ** (bits - 1) - 1  # the largest integer; its negative is the smallest one used
    largest = np.abs(blocked).max(axis=axes, keepdims=True)
    scale = np.maximum(largest / top, SMALLEST_SCALE).astype(np.float32)
    if not whole and scale.min() >= SMALLEST_HALF and scale.max() <= LARGEST_HALF:
        scale = scale.astype(np.float16)
    integers = np.rint(blocked / scale.astype(np.float32))
    return np.clip(integers, -top, top).astype(np.int8), scale


class Decoder:
    """Builds the nodes that turn one weight's stored form back, before its consumer."""

    def __init__(self, model, weight):
        self.graph, self.weight, self.nodes = model.graph, weight, []

    def initializer(self, array, suffix):
        name = f"{self.weight.value.name}.{suffix}"
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        value.shape, value.dtype = value.const_value.shape, value.const_value.dtype
        self.graph.register_initializer(value)
        return value

    def op(self, op_type, *inputs, **attributes):
        node = ir.node(op_type, inputs, attributes)
        node.outputs[0].name = f"{self.weight.value.name}.{op_type.lower()}{len(self.nodes)}"
        self.nodes.append(node)
        return node.outputs[0]

    def to_float(self, value):
        if value.dtype == ir.DataType.FLOAT:
            return value
        return self.op("Cast", value, to=ir.DataType.FLOAT)

    def finish(self, decoded):
        """Feed the consumer with `decoded`, or replace the consumer if it is a Gather."""
        value, consumer, place = self.weight
        self.graph.insert_before(consumer, self.nodes)
        if consumer.op_type == "Gather":
            output = consumer.outputs[0]
            decoded.name, decoded.shape, decoded.type = output.name, output.shape, output.type
            output.name = f"{output.name}.encoded"
            ir.convenience.replace_all_uses_with(output, decoded)
            self.graph.remove(consumer, safe=True)
        else:
            consumer.replace_input_with(place, decoded)
        if not value.uses():
            self.graph.initializers.pop(value.name)


def store(model, weight, encoding):
    """Replace one weight by its encoded form. Returns whether a value changed."""
    array = graph.array(weight.value.const_value)
    decoder = Decoder(model, weight)
    gather = weight.consumer.op_type == "Gather"

    def look_up(table):
        if not gather:
            return table
        rows = decoder.op("Gather", table, weight.consumer.inputs[1], axis=0)
        rows.dtype = table.dtype
        return rows

    if encoding.bits == 16:
        half = array.astype(np.float16)
        changed = not np.array_equal(half.astype(np.float32), array)
        stored = look_up(decoder.initializer(half, "fp16"))
        decoder.finish(decoder.op("Cast", stored, to=ir.DataType.FLOAT))
        return changed
    integers, scale = quantize(array, encoding.bits, encoding.block, weight.outputs_last)
    stored = look_up(decoder.initializer(integers, f"int{encoding.bits}"))
    scale = look_up(decoder.initializer(scale, "scale"))
    decoded = decoder.op(
        "Mul", decoder.op("Cast", stored, to=ir.DataType.FLOAT), decoder.to_float(scale)
    )
    if encoding.block != "row":
        shape = [0, 0, array.shape[1]] if gather else list(array.shape)
        target = decoder.initializer(np.array(shape, np.int64), "shape")
        decoded = decoder.op("Reshape", decoded, target)
    decoder.finish(decoded)
    return True


def encode(model, encoding, operators=tuple(PLACES)):
    """Encode the operators' weights in place.

    At 16 bits `rounded` in the metadata names what changed.
    """
    found = list(weights(model))
    least = sum(weight.value.const_value.size for weight in found) * SMALL_SHARE
    rounded = []
    for weight in found:
        if weight.consumer.op_type not in operators:
            continue
        small = weight.value.const_value.size < least
        if store(model, weight, HALF if small else encoding):
            rounded.append(weight.value.name)
    if encoding.bits == 16:
        model.metadata_props["rounded"] = ", ".join(rounded)
    return model
