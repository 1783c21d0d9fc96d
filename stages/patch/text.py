"""Rewrites of a textual tower. They leave finding the end token to the host (clip_onnx/host)."""

import onnx_ir as ir

from clip_onnx import command, graphs, host
from clip_onnx.names import PROJECTION


def _pooling(model):
    """The node that takes each row's hidden state at its end token."""
    found = [node for node in model.graph if node.op_type == "GatherND"]
    if len(found) != 1:
        raise command.Refusal(
            f"{len(found)} GatherND nodes, not one, may take the end token: export again"
        )
    return found[0]


def one_hot(model):
    """Take the end token's place from a second input, in place.

    `eot_onehot` float32 [batch, length] is 1 there and 0 elsewhere; a matrix product with it
    picks the same row that GatherND does, without an integer.
    """
    pooling = _pooling(model)
    states, pooled = pooling.inputs[0], pooling.outputs[0]
    (tokens,) = model.graph.inputs
    mark = ir.Value(
        name=host.ONE_HOT, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(list(tokens.shape))
    )
    model.graph.inputs.append(mark)
    axis = graphs.constant(model, [1], f"{host.ONE_HOT}.axis")
    tape = ir.tape.Tape()
    row = tape.op("Unsqueeze", [mark, axis])  # [batch, 1, length]
    product = tape.op("MatMul", [row, states])  # [batch, 1, width]
    picked = tape.op("Squeeze", [product, axis])  # [batch, width]
    ir.convenience.replace_nodes_and_values(
        model.graph, pooling, [pooling], tape.nodes, [pooled], [picked]
    )
    return {}


def tokens(model):
    """Give all tokens out, after the last norm, in place, and the projection as a file.

    The norm works token by token, so it may come before the end token is chosen; the host
    chooses it and multiplies it by the projection [width, E].
    """
    pooling = _pooling(model)
    states, pooled = pooling.inputs[0], pooling.outputs[0]
    (norm,) = pooled.consumers()
    (product,) = norm.outputs[0].consumers()
    projection = product.inputs[1]
    if (norm.op_type, product.op_type) != ("LayerNormalization", "MatMul"):
        raise command.Refusal(f"{norm.op_type} and {product.op_type} follow the end token's choice")
    norm.replace_input_with(0, states)
    hidden = norm.outputs[0]
    hidden.name, hidden.shape = host.HIDDEN, states.shape
    model.graph.outputs[0] = hidden
    model.graph.remove([product, pooling], safe=True)
    return {PROJECTION: graphs.array(projection.const_value)}


REWRITES = {"one-hot": one_hot, "tokens": tokens}
