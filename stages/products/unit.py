"""Embeddings of length 1, so that the dot product of two is their cosine."""

import onnx_ir as ir
from onnxscript import build_graph

from stages.products import joining

SMALLEST = 1e-12  # lengths below it count as it: a zero vector stays one
AXES_ARE_INPUTS = 18  # the opset from which ReduceL2 takes them so


def normalize(model, name):
    """Divide an output of the model, [batch, E] of floats, by its length. Returns `model`.

    The output keeps its name and its place. In half precision squares may overflow, so that such
    embeddings are divided in fp32 and stay fp32. `normalized` of the metadata names the outputs.
    Raises Refusal if there is no such output.
    """
    embeds = joining.find(model.graph.outputs, name)
    order = [output.name for output in model.graph.outputs]
    opset = model.opset_imports[""]
    division = build_graph(
        lambda op, embeds: _divided(op, embeds, opset),
        inputs=[ir.val("embeds", embeds.dtype, embeds.shape)],
        outputs=[ir.val(name, ir.DataType.FLOAT, embeds.shape)],
        opset_imports={"": opset},
    )
    joining.join(model, ir.Model(division, ir_version=model.ir_version), {name: "embeds"})
    outputs = sorted(model.graph.outputs, key=lambda output: order.index(output.name))
    model.graph.outputs.clear()
    model.graph.outputs.extend(outputs)
    normalized = model.metadata_props.get("normalized", "").split()
    model.metadata_props["normalized"] = " ".join([*normalized, name])
    return model


def _divided(op, embeds, opset):
    if embeds.dtype != ir.DataType.FLOAT:
        embeds = op.Cast(embeds, to=ir.DataType.FLOAT)
    if opset >= AXES_ARE_INPUTS:
        length = op.ReduceL2(embeds, [-1], keepdims=1)
    else:
        length = op.ReduceL2(embeds, axes=[-1], keepdims=1)
    return op.Div(embeds, op.Max(length, SMALLEST))
