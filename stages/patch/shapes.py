"""Fixed axes: batch and text length become numbers, and what was computed of them constants."""

import onnx_ir as ir


def fix(model, batch, length):
    """Give the inputs and outputs `batch` rows of `length` tokens, in place; None leaves an axis.

    The shapes in between are left to inference, which the cleaning after this does.
    """
    sizes = {"batch": batch, "sequence": length}
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.shape = ir.Shape(_fixed(dimension, sizes) for dimension in value.shape)
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None


def _fixed(dimension, sizes):
    if isinstance(dimension, int):
        return dimension
    return sizes.get(dimension.value) or dimension
