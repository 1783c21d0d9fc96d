"""Embeddings of length 1 out of the graph."""

import onnx_ir as ir

from stages import graph


def normalize(model):
    """Divide a tower's embeddings by their length, in place, under the output's old name.

    In operators that every runtime has: a product, a sum, a root and a quotient.
    """
    (embeds,) = model.graph.outputs
    name = embeds.name
    embeds.name = f"{name}.raw"
    tape = ir.tape.Tape(model.graph)
    last = graph.constant(model, [-1], f"{name}.axis")
    squares = tape.op("Mul", [embeds, embeds])
    length = tape.op("Sqrt", [tape.op("ReduceSum", [squares, last], {"keepdims": 1})])
    unit = tape.op("Div", [embeds, length], output=ir.Value(name=name))
    unit.shape, unit.dtype = embeds.shape, embeds.dtype
    model.graph.outputs[0] = unit
