"""Weights stored in few bits, decoded by standard operators, computed with in fp32.

With a calibration split: layers are equalised, scales are searched, weights are rounded with error
feedback, and the mean of what that changed is put back. DequantizeLinear is not used: ONNX Runtime
fuses it into products with quantised activations. Biases, norms, and positional and class
embeddings stay in fp32.

A tensor of less than a thousandth of the weights is kept in fp16: fewer bits would save nothing,
and the ResNets' first convolutions, which are among them, make most of the error on smooth
pictures.
"""

from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from tqdm import tqdm

from stages import graph
from stages.schemes import activations, bias, decoding, equalise, rounding

PLACES = {"MatMul": 1, "Conv": 1, "Gather": 0}  # of the weight among an operator's inputs
SMALL_SHARE = 1e-3


class Weight(NamedTuple):
    """An initializer and the node input that it feeds; as a matrix [N, K], K inputs an output."""

    value: ir.Value
    consumer: ir.Node
    place: int

    @property
    def outputs_last(self):
        """Whether the weights of one output are a column of the stored matrix."""
        return self.consumer.op_type == "MatMul"

    @property
    def is_table(self):
        return self.consumer.op_type == "Gather"

    def array(self):
        return graph.array(self.value.const_value)

    def matrix(self):
        array = self.array()
        return array.T if self.outputs_last else array.reshape(len(array), -1)

    def arrange(self, matrix, blocks):
        """[N, K] as it is stored: in the weight's own shape, or with its blocks apart.

        [K/B, B, N] where outputs come last, [N, K/B, B] otherwise.
        """
        if blocks is None:
            shape = self.value.shape.numpy()
            return matrix.T if self.outputs_last else matrix.reshape(shape)
        if self.outputs_last:
            return matrix.T.reshape(blocks, -1, len(matrix))
        return matrix.reshape(len(matrix), blocks, -1)

    def arrange_rows(self, rows, rank):
        """[N, 1] in a shape that multiplies what `arrange` gives, of this rank."""
        ones = (1,) * (rank - 1)
        return rows.reshape((*ones, -1) if self.outputs_last else (-1, *ones))


def weights(model):
    """Every weight of a product, a convolution or a table, in the graph's order."""
    for node in model.graph:
        place = PLACES.get(node.op_type)
        if place is not None:
            value = node.inputs[place]
            if value.is_initializer() and value.dtype == ir.DataType.FLOAT:
                yield Weight(value, node, place)


class Rounded(NamedTuple):
    """integers [N, K], scales as decoding.store_integers takes them, and the bits of an integer."""

    integers: np.ndarray
    scales: np.ndarray | tuple
    bits: int

    def matrix(self):
        scales = self.scales
        if isinstance(scales, tuple):
            scales = scales[0].astype(np.float32) * scales[1]
        return self.integers * rounding.spread(scales, self.integers.shape[1])


def round_weight(matrix, bits, block, moments=None):
    """The integers and scales of one weight; with `moments` of its inputs by error feedback."""
    matrix = np.ascontiguousarray(matrix, np.float32)
    importance = None if moments is None else np.diag(moments.second)
    scales = rounding.search_scales(matrix, bits, block, importance)
    stored = scales if block == "row" else rounding.split_scales(scales)
    if block != "row":
        scales = stored[0].astype(np.float32) * stored[1]
    if moments is None:
        integers = rounding.nearest(matrix, scales, bits)
    else:
        integers = rounding.error_feedback(matrix, scales, bits, moments.second)
    return Rounded(integers, stored, bits)


def encode(model, encoding, calibration=None, operators=tuple(PLACES)):
    """Encode the operators' weights in place; at 16 bits `rounded` in the metadata says which
    changed."""
    found = [weight for weight in weights(model) if weight.consumer.op_type in operators]
    if encoding.bits == 16:
        changed = [weight.value.name for weight in found if decoding.store_half(model, weight)]
        model.metadata_props["rounded"] = ", ".join(changed)
        return model
    least = sum(weight.value.const_value.size for weight in found) * SMALL_SHARE
    small = [weight for weight in found if weight.value.const_value.size < least]
    large = [weight for weight in found if weight not in small]
    results = dict(_rounded(model, found, large, encoding, calibration))
    for weight in small:
        decoding.store_half(model, weight)
    for weight, (result, change) in results.items():
        if change is not None:
            bias.correct(model, weight, change, result.matrix())
        decoding.store_integers(model, weight, *result)
    return model


def _rounded(model, found, large, encoding, calibration):
    """Yield (weight, (Rounded, the mean change of its outputs or None)) of every large weight."""
    moments = ()
    if calibration is not None:
        equalise.apply(model, found)
        moments = activations.collect(model, large, calibration.batches)
    with tqdm(total=len(large), desc="weights") as bar:
        for weight, known in moments:
            matrix = weight.matrix()
            result = round_weight(matrix, encoding.bits, encoding.block, known)
            yield weight, (result, (matrix - result.matrix()) @ known.mean)
            bar.update()
        for weight in large:
            if calibration is None or weight.is_table:
                bits = encoding.token_bits or encoding.bits if weight.is_table else encoding.bits
                yield weight, (round_weight(weight.matrix(), bits, encoding.block), None)
                bar.update()
