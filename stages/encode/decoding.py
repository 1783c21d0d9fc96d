"""The nodes that turn a stored weight back into fp32, in front of what reads it.

    MatMul, Conv     bytes -> [unpack] -> Cast -> Mul(scale) [-> Reshape] -> the fp32 weight
    Gather (tokens)  the rows are gathered first and decoded after

Runtimes fold the first chain when they load the file, so it runs as the fp32 one does.
"""

import numpy as np
import onnx_ir as ir

from stages.encode import packing


class Decoder:
    """Builds the decoding of one weight."""

    INT8 = ir.DataType.INT8

    def __init__(self, model, weight):
        self.graph, self.weight, self.nodes = model.graph, weight, []
        self.prefix = f"w{len(model.graph)}"  # short: there are hundreds, and names are stored

    def initializer(self, array, name, dtype=None):
        """A stored array; one of a Gather's table is looked up by its row first."""
        value = self._register(array, f"{self.weight.value.name}.{name}", dtype)
        if self.weight.is_table:
            value = self.op("Gather", value, self.weight.consumer.inputs[1], axis=0)
            value.dtype = ir.DataType.from_numpy(array.dtype)
        return value

    def constant(self, number, dtype=np.uint8):
        """A scalar that all decoders share."""
        name = f"{np.dtype(dtype).name}.{number}"
        shared = self.graph.initializers.get(name)
        return shared or self._register(np.array(number, dtype), name)

    def shape(self, lengths):
        name = f"shape.{'x'.join(map(str, lengths))}"
        shared = self.graph.initializers.get(name)
        return shared or self._register(np.array(lengths, np.int64), name)

    def _register(self, array, name, dtype=None):
        value = ir.Value(name=name, const_value=ir.tensor(array, dtype, name=name))
        value.shape, value.dtype = value.const_value.shape, value.const_value.dtype
        self.graph.register_initializer(value)
        return value

    def op(self, op_type, *inputs, domain="", **attributes):
        name = f"{self.prefix}.{len(self.nodes)}"
        node = ir.node(op_type, inputs, attributes, domain=domain, name=name)
        node.outputs[0].name = name
        self.nodes.append(node)
        return node.outputs[0]

    def to_float(self, value):
        if value.dtype == ir.DataType.FLOAT:
            return value
        return self.op("Cast", value, to=ir.DataType.FLOAT)

    def finish(self, decoded):
        """Feed the consumer with `decoded`, the last node; if it is a Gather, replace it."""
        _, consumer, place = self.weight
        if self.weight.is_table:
            self.replace_consumer()
            return
        self.graph.insert_before(consumer, self.nodes)
        consumer.replace_input_with(place, decoded)
        self.forget()

    def replace_consumer(self):
        """Put the last node that was made in the place of the consumer."""
        consumer, made = self.weight.consumer, self.nodes[-1].outputs[0]
        self.graph.insert_before(consumer, self.nodes)
        output = consumer.outputs[0]
        made.name, made.shape, made.type = output.name, output.shape, output.type
        output.name = f"{output.name}.encoded"
        ir.convenience.replace_all_uses_with(output, made, replace_graph_outputs=True)
        self.graph.remove(consumer, safe=True)
        self.forget()

    def forget(self):
        """Drop the weight where nothing reads it any more."""
        if not self.weight.value.uses():
            self.graph.initializers.pop(self.weight.value.name)


def to_half(array):
    """An array in fp16; what is too large for it becomes the largest there is."""
    largest = np.finfo(np.float16).max
    return np.clip(array, -largest, largest).astype(np.float16)


def store_half(model, weight):
    """Store a weight in fp16. Returns whether that changed a value."""
    array = weight.array()
    half = to_half(array)
    decoder = Decoder(model, weight)
    decoder.finish(decoder.to_float(decoder.initializer(half, "fp16")))
    return not np.array_equal(half.astype(np.float32), array)


def store_integers(model, weight, rounded):
    """Store a weight as a rounding.Rounded has it."""
    decoder, shape = Decoder(model, weight), list(weight.value.shape.numpy())
    scales, bits = rounded.scales, rounded.bits
    blocks = None if scales.sub is None else scales.sub.shape[1]
    arranged = weight.arrange(rounded.integers, blocks)
    axis = packing.axis_of(arranged.shape, bits, first=1 if weight.is_table else 0)
    if axis is None:  # no length that the values of a group divide: a byte each
        bits, axis = 8, -1
    names = [f"int{bits}"] if bits == 8 else [f"int{bits}.{n}" for n in range(8)]
    packed = [
        decoder.initializer(array, name)
        for array, name in zip(packing.pack(arranged, bits, axis), names, strict=False)
    ]
    values = decoder.to_float(packing.unpack(decoder, packed, bits, axis))
    unit = 2.0 ** (bits - 8)  # unpacked values stand at the top of their byte
    if blocks is None:
        rows = weight.arrange_rows(scales.values() * np.float32(unit), len(shape))
        decoder.finish(decoder.op("Mul", values, decoder.initializer(rows, "scale")))
        return
    power = np.float32(unit * 2.0**scales.exponent)
    if weight.is_table:  # WebGPU without half precision cannot look fp16 up
        rows = decoder.initializer(
            weight.arrange_rows(scales.rows.astype(np.float32) * power, 3), "scale"
        )
    else:
        halves = decoder.initializer(weight.arrange_rows(scales.rows, 3), "scale")
        rows = decoder.op("Mul", decoder.to_float(halves), decoder.constant(power, np.float32))
    subs = decoder.initializer(weight.arrange(scales.sub, blocks), "subscale")
    scale = decoder.op("Mul", decoder.to_float(subs), rows)
    decoded = decoder.op("Mul", values, scale)
    target = [0, 0, shape[1]] if weight.is_table else shape
    decoder.finish(decoder.op("Reshape", decoded, decoder.shape(target)))
