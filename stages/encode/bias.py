"""Put back the mean of what rounding changed, in numbers that the graph adds anyway.

(W - Ŵ) E[x] of a product goes into the bias added to it; of a convolution into the mean that its
BatchNormalization subtracts, or into the positions added to its patches; of a projection without
a bias into the bias of the LayerNormalization before it.
"""

import numpy as np
import onnx_ir as ir

from clip_onnx import graphs

PLACED = ("Reshape", "Transpose", "Concat")  # between patches and their positions


def correct(model, weight, change, stored):
    """Add `change` [N] to the mean output of a weight whose stored matrix [N, K] is `stored`."""
    uses = weight.consumer.outputs[0].uses()
    after = uses[0].node if len(uses) == 1 else None
    before = weight.consumer.inputs[0].producer()
    if after is not None and after.op_type == "Add" and _is_vector(after, 1):
        add(model, after, 1, change)
    elif after is not None and after.op_type == "BatchNormalization":
        add(model, after, 3, -change)
    elif (positions := _positions(weight.consumer)) is not None:
        patches = np.ones((positions.inputs[1].shape[0], 1))
        patches[0] = 0  # the class token is no patch
        add(model, positions, 1, patches * change)
    elif _is_norm_for_one(before):
        add(model, before, 2, np.linalg.lstsq(stored.astype(float), change, rcond=None)[0])


def _is_norm_for_one(node):
    return (
        node is not None
        and node.op_type == "LayerNormalization"
        and len(node.outputs[0].uses()) == 1
    )


def _is_vector(node, place):
    value = node.inputs[place]
    return value.const_value is not None and len(value.shape) == 1


def _positions(node):
    """The Add of position embeddings behind a patch embedding, or None behind another weight."""
    while len(uses := node.outputs[0].uses()) == 1:
        node = uses[0].node
        if node.op_type == "Add" and node.inputs[1].const_value is not None:
            return node if len(node.inputs[1].shape) == 2 else None
        if node.op_type not in PLACED:
            return None
    return None


def add(model, node, place, change):
    """Add to the initializer that a node reads, for this node alone."""
    value = graphs.own_initializer(model, node, place)
    array = graphs.array(value.const_value) + change
    value.const_value = ir.tensor(array.astype(np.float32), name=value.name)
