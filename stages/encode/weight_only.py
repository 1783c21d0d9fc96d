"""Weights stored in few bits: which they are, how they are rounded, what takes their place.

A tensor of less than a thousandth of the weights is kept in fp16: fewer bits would save nothing,
and the ResNets' first convolutions, which are among them, make most of the error on smooth
pictures.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from clip_onnx import graphs
from clip_onnx.settings.encodings import Form
from stages.encode import bias, choice, decoding, equalise, rounding

PLACES = {"MatMul": 1, "Conv": 1, "Gather": 0}  # of the weight among an operator's inputs
SMALL_SHARE = 1e-3
HALF = 16  # bits of fp16
MOMENTS_BYTES = 12  # of a pair of inputs, while their moments are made into a float64 matrix
ROUNDING_BYTES = 2**31  # of all that are rounded at a time


class Weight(NamedTuple):
    """An initializer and the node input that it feeds; as a matrix [N, K], K inputs an output."""

    value: ir.Value
    consumer: ir.Node
    place: int

    @property
    def name(self):
        """The name of the parameter that it was in the checkpoint, without `visual.`."""
        return self.value.name.removesuffix(".T")

    @property
    def inputs(self):
        """K, how many inputs an output reads."""
        shape = self.value.shape.numpy()
        return shape[0] if self.outputs_last else math.prod(shape[1:])

    @property
    def outputs_last(self):
        """Whether the weights of one output are a column of the stored matrix."""
        return self.consumer.op_type == "MatMul"

    @property
    def is_table(self):
        return self.consumer.op_type == "Gather"

    def array(self):
        return graphs.array(self.value.const_value)

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


class Known(NamedTuple):
    """What calibration says of the inputs of an equalised graph's weights."""

    calibration: object  # clip_onnx.measure.calibration.Calibration
    factors: dict  # of equalise.apply: {weight's name: [channels]}
    sensitivity: object = None  # stages.encode.sensitivity.Sensitivity

    def moments(self, weight):
        """The Moments of what a weight reads now."""
        moments = self.calibration.moments(weight.name)
        factor = self.factors.get(weight.name)
        if factor is None:
            return moments
        return moments.scaled(np.repeat(factor, weight.inputs // len(factor)))


def calibrated(model, found, calibration, sensitivity=None):
    """What is Known of a graph, which is equalised in place; None without a Calibration."""
    if not calibration:
        return None
    return Known(calibration, equalise.apply(model, found), sensitivity)


def encode_some(model, chosen, encoding, known=None):
    """Encode the chosen weights in place, as what is Known says. Returns {name: bits}."""
    forms = formed(chosen, encoding, known and known.sensitivity)
    large = {weight: form for weight, form in forms.items() if form.bits != HALF}
    store(model, dict.fromkeys(chosen) | dict(rounded(large, known)))
    return {weight.value.name: form.bits for weight, form in forms.items()}


def formed(chosen, encoding, sensitivity=None):
    """{weight: Form} of the chosen weights.

    With a Sensitivity, bits are spread over the weights so that the error is the least in as many
    bytes. Those of weights that `tensors:` names stay.
    """
    forms = {weight: encoding.form(weight.value.name) for weight in chosen}
    tiny = small(chosen)
    forms |= {weight: Form(bits=HALF, block=forms[weight].block) for weight in tiny}
    if sensitivity is None:
        return forms
    named = [weight for weight in chosen if encoding.named(weight.value.name)]
    free = {w: form for w, form in forms.items() if w not in {*tiny, *named}}
    return forms | spread(free, choice.widths, sensitivity)


def spread(forms, candidates, sensitivity, more=0):
    """{weight: Form} with the least error in as many bytes and some `more`.

    candidates(weight, Form): what a weight may have.
    """
    if not forms:
        return forms
    each = {weight: candidates(weight, form) for weight, form in forms.items()}
    found = choice.Choice(each, sensitivity)
    return found.of_size(found.size(forms) + more)


def store_others(model, encoding):
    """Keep initializers that are no weights, and that `tensors:` names with 16 bits, in fp16.

    Returns {name: bits}.
    """
    widths = {}
    for value in list(model.graph.initializers.values()):
        form = encoding.named(value.name) if value.dtype == ir.DataType.FLOAT else None
        uses = value.uses() if form is not None and form.bits == HALF else ()
        if len(uses) == 1 and uses[0].node.op_type not in PLACES:
            decoding.store_half(model, Weight(value, *uses[0]))
            widths[value.name] = HALF
    return widths


def small(found):
    """The weights that are kept in fp16, whatever is asked for the others."""
    least = sum(weight.value.const_value.size for weight in found) * SMALL_SHARE
    return [weight for weight in found if weight.value.const_value.size < least]


def rounded(forms, known=None):
    """Yield (weight, (Rounded, the mean change of its outputs or None)) for {weight: Form}."""
    results = side_by_side(lambda weight: round_weight(weight, forms[weight], known), forms)
    yield from zip(forms, results, strict=True)


def side_by_side(work, weights):
    """Yield work(weight) of each in turn.

    A weight a CPU at a time: LAPACK's own threads wait for each other more than they work.
    """
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers(weights)) as threads:
        yield from tqdm(threads.map(work, weights), desc="weights", total=len(weights))


def workers(weights):
    """How many weights are rounded at a time: as many as there are CPUs, if memory allows."""
    largest = max((weight.inputs for weight in weights if not weight.is_table), default=1)
    return max(1, min(os.cpu_count() or 1, ROUNDING_BYTES // (MOMENTS_BYTES * largest**2)))


def round_weight(weight, form, known=None):
    """(Rounded, the mean change of its outputs or None) of one weight."""
    matrix, moments = weight.matrix(), None
    if weight.is_table:
        if known is not None and known.sensitivity is not None:
            moments = known.sensitivity.readers(weight.value.name)
    elif known is not None:
        moments = known.moments(weight)
    feedback = moments and rounding.Feedback.of(moments)
    result = rounding.round_matrix(matrix, form.bits, form.block, feedback)
    if moments is None or weight.is_table:
        return result, None
    return result, (matrix.astype(float) - result.matrix()) @ moments.mean


def store(model, results):
    """Store {weight: (Rounded, mean change of its outputs or None), or None for fp16} in place."""
    for weight, result in results.items():
        if result is None:
            decoding.store_half(model, weight)
            continue
        correct(model, weight, result)
        decoding.store_integers(model, weight, result[0])


def correct(model, weight, result):
    """Put back the mean of what rounding changed, where it is known."""
    matrix, change = result
    if change is not None:
        bias.correct(model, weight, change, matrix.matrix())
