"""Exact rescaling between layers, after which the weights of a row are more of a size.

What a norm, or attention's value projection, writes to a channel is divided by a power of two, and
the weights that read the channel are multiplied by it: the same function to the last bit. Where
training made a channel large and its readers small, one step then fits both it and its neighbours.
"""

import numpy as np
import onnx_ir as ir

from clip_onnx import graphs

NORMS = ("LayerNormalization", "BatchNormalization")  # gain and bias are their inputs 1 and 2
PASSED = ("Relu", "AveragePool")  # channel by channel, and positively homogeneous
INPUTS, LEAST = 0.75, 2.0**-8  # the inputs' share where both count, and a channel's least size
MOVED = ("Transpose", "Reshape", "Squeeze")  # between the value projection and the output's


def apply(model, weights, largest=None):
    """Rescale the norms and value projections that `weights` read, in place.

    largest: {name of a norm: [channels] its largest values}, to equalise those too.
    Returns {name of a weight or of a norm: [channels] what its inputs or outputs were divided by}.
    """
    by_node, done = {weight.consumer: weight for weight in weights}, {}
    for node in list(model.graph):
        if node.op_type in NORMS:
            found = readers(node.outputs[0], by_node)
            if found:
                norm = node.inputs[1].name.removesuffix(".weight")
                done[norm] = factor = factors(found, largest and largest[norm])
                scale(model, node, 1, 1 / factor)
                scale(model, node, 2, 1 / factor)
                done |= _scale_readers(model, found, factor)
    for weight in weights:
        projection = value_projection(weight, by_node)
        if projection is not None:
            writer, bias, part, parts = projection
            factor = factors([weight])
            written = np.ones((parts, len(factor)))
            written[part] = 1 / factor
            scale(model, writer.consumer, writer.place, written.reshape(1, -1))
            scale(model, bias, 1, written.ravel())
            done |= _scale_readers(model, [weight], factor)
    return done


def factors(found, largest=None):
    """Powers of two per channel, close to the inverse of the weights that read it.

    A scale serves the largest weight of a block, so the error is least where all inputs' weights
    are of a size, whatever the inputs' own. Where the inputs are quantised too, one scale serves
    all channels, so what counts more is that their `largest` values are of a size.
    """
    squares = np.mean([_channels(w, _squares(w.matrix())) for w in found], axis=0)
    size = np.sqrt(np.maximum(squares, 1e-24))
    if largest is not None:
        floor = max(largest.max() * LEAST, 1e-12)  # of channels that are never used
        size = size ** (1 - INPUTS) / np.maximum(largest, floor) ** INPUTS
    return 2.0 ** np.rint(-np.log2(size / np.exp(np.log(size).mean())))


def _squares(matrix):
    """float64 [K]: the mean square of an input's weights."""
    return np.einsum("nk,nk->k", matrix, matrix, dtype=np.float64) / len(matrix)


def _channels(weight, values):
    """[K] -> [channels]: the mean over a convolution's taps."""
    return values if weight.outputs_last else values.reshape(weight.value.shape[1], -1).mean(1)


def _scale_readers(model, found, factor):
    for weight in found:
        shape = (-1, 1) if weight.outputs_last else (1, -1, 1, 1)
        scale(model, weight.consumer, weight.place, factor.reshape(shape))
    return {weight.name: factor for weight in found}


def readers(value, by_node):
    """The weights that read `value` channel by channel, or [] if anything else does too."""
    found = []
    for use in value.uses():
        if use.node in by_node and use.idx == 0:
            found.append(by_node[use.node])
        elif use.node.op_type in PASSED and (behind := readers(use.node.outputs[0], by_node)):
            found += behind
        else:
            return []
    return found


def value_projection(weight, by_node):
    """(weight that writes the values, Add of its bias, which part of its outputs, of how many).

    None if `weight` does not project attention's output.
    """
    node = _before(weight.consumer.inputs[0])
    if not weight.outputs_last or node is None or node.op_type != "MatMul" or node in by_node:
        return None
    value = node.inputs[1]
    while (node := value.producer()) is not None and node.op_type in MOVED:
        value = node.inputs[0]
    part, parts = 0, 1
    if node is not None and node.op_type == "Split":
        part, parts = value.index(), len(node.outputs)
        node = node.inputs[0].producer()
    if node is None or node.op_type != "Add" or node.inputs[0].producer() not in by_node:
        return None
    return by_node[node.inputs[0].producer()], node, part, parts


def _before(value):
    """The node that made a value, not counting those that only move numbers."""
    while (node := value.producer()) is not None and node.op_type in MOVED:
        value = node.inputs[0]
    return node


def scale(model, node, place, factor):
    """Multiply the initializer that a node reads, for this node alone."""
    value = graphs.own_initializer(model, node, place)
    stored, name = value.const_value, value.name

    def read():
        return ir.tensor((graphs.array(stored) * factor).astype(np.float32), name=name)

    value.const_value = ir.LazyTensor(read, dtype=stored.dtype, shape=stored.shape, name=name)
