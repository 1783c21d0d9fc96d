"""Embeddings of length 1 out of a graph, so that the dot product of two is their cosine."""

import numpy as np
import onnx_ir as ir

from clip_onnx import command, graphs

SMALLEST = 1e-24  # added to the sum of squares: a zero vector stays one, others do not change

AXES_ARE_INPUTS = 13  # the opset from which ReduceSum takes them so


def normalize(model, name):
    """Divide the output `name`, float32 [batch, E], by its length, in place.

    It keeps its name and its place; `normalized` of the metadata lists such outputs. In operators
    that every runtime has. Raises Refusal if there is no such output.
    """
    names = [output.name for output in model.graph.outputs]
    if name not in names:
        raise command.Refusal(f"{name} is no output to normalise, those are: {', '.join(names)}")
    embeds = model.graph.outputs[names.index(name)]
    embeds.name = f"{name}.raw"
    smallest = graphs.constant(model, SMALLEST, f"{name}.smallest", np.float32)
    tape = ir.tape.Tape(model.graph)
    squares = tape.op("Mul", [embeds, embeds])
    if model.opset_imports[""] < AXES_ARE_INPUTS:
        total = tape.op("ReduceSum", [squares], {"keepdims": 1, "axes": [-1]})
    else:
        last = graphs.constant(model, [-1], f"{name}.axis")
        total = tape.op("ReduceSum", [squares, last], {"keepdims": 1})
    length = tape.op("Sqrt", [tape.op("Add", [total, smallest])])
    unit = ir.Value(name=name, type=embeds.type, shape=embeds.shape)
    tape.op("Div", [embeds, length], output=unit)
    model.graph.outputs[names.index(name)] = unit
    normalized = model.metadata_props.get("normalized", "").split()
    model.metadata_props["normalized"] = " ".join([*normalized, name])
