"""Which integers stand for a weight matrix: scales by search, rounding with error feedback.

A matrix here is [N, K]: a row holds the weights of one output, its K inputs cut into blocks that
share a scale. Integers fill -2**(bits-1) … 2**(bits-1) - 1; a negative scale puts the longer side
on whichever end of a block's values lies further out.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

FACTORS = np.linspace(
    0.7, 1.05, 15, dtype=np.float32
)  # of the scale that just holds a block's largest weight
CACHED = 2**16  # weights searched at a time, which stay in a CPU's cache
SUB_SCALE_TOP = 127  # a block's scale is an int8 times its row's fp16
DAMPING = 0.01  # of the mean diagonal, for inputs that calibration hardly moved
COLUMNS = 128  # inputs rounded between two updates of all that follow


class Scales(NamedTuple):
    """One scale a block: rows * 2**exponent, times `sub` where a row has several blocks."""

    rows: np.ndarray  # [N, 1], fp32, or fp16 beside sub-scales
    sub: np.ndarray | None = None  # int8 [N, K/B]
    exponent: int = 0  # one a matrix: keeps rows of any magnitude in half precision's range

    def values(self):
        """float32 [N, K/B]: what the integers are multiplied by, to the last bit."""
        rows = self.rows.astype(np.float32) * np.float32(2.0**self.exponent)
        return rows if self.sub is None else self.sub.astype(np.float32) * rows


class Rounded(NamedTuple):
    """A weight matrix in few bits."""

    integers: np.ndarray  # int8 [N, K]
    scales: Scales
    bits: int

    def matrix(self):
        """float32 [N, K]: what is decoded."""
        return self.integers * spread(self.scales.values(), self.integers.shape[1])


def block_length(row, block):
    """The longest divisor of a row's length that is no longer than `block`."""
    if block == "row":
        return row
    return next(length for length in range(min(block, row), 0, -1) if row % length == 0)


def levels(bits):
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def to_integers(array, scale, bits):
    integers = array / scale
    np.rint(integers, out=integers)
    return np.clip(integers, *levels(bits), out=integers)


def search_scales(matrix, bits, block, importance=None):
    """[N, K/B] scales with the least squared error, each input's weighted by `importance` [K]."""
    length = block_length(matrix.shape[1], block)
    weight = np.ones(matrix.shape[1]) if importance is None else importance
    weight = (weight / max(weight.mean(), 1e-30)).reshape(1, -1, length).astype(np.float32)
    blocked = matrix.reshape(len(matrix), -1, length)
    rows = max(1, CACHED // matrix.shape[1])
    parts = (blocked[start : start + rows] for start in range(0, len(matrix), rows))
    return np.concatenate([_search(part, bits, weight) for part in parts])


def _search(blocked, bits, weight):
    """[rows, K/B] of [rows, K/B, B]: the best of two ways to hold the largest weight, shrunk."""
    low, high = levels(bits)
    places = np.abs(blocked).argmax(-1)[..., None]
    extreme = np.take_along_axis(blocked, places, -1)[..., 0]
    best = np.full(extreme.shape, np.inf, np.float32)
    chosen = np.ones_like(extreme)
    for whole in (extreme / low, np.abs(extreme) / high):
        for factor in FACTORS:
            scale = np.where(whole == 0, np.float32(1), whole * factor)
            error = to_integers(blocked, scale[..., None], bits)
            error *= scale[..., None]
            error -= blocked
            np.square(error, out=error)
            error *= weight
            error = error.sum(-1)
            better = error < best
            best[better], chosen[better] = error[better], scale[better]
    return chosen


def split_scales(scales):
    """The `Scales` with int8 sub-scales that come closest to float32 [N, K/B]."""
    largest = np.abs(scales).max(axis=1, keepdims=True) / SUB_SCALE_TOP
    exponent = int(np.floor(np.log2(np.median(largest))))
    rows = (largest * 2.0**-exponent).astype(np.float16)
    rows = np.maximum(rows, np.float16(2.0**-14))
    sub = np.rint(scales / (rows.astype(np.float32) * np.float32(2.0**exponent)))
    sub = np.where(sub == 0, np.copysign(1, scales), sub)
    return Scales(rows, np.clip(sub, -SUB_SCALE_TOP, SUB_SCALE_TOP).astype(np.int8), exponent)


def nearest(matrix, scales, bits):
    """[N, K] integers, each weight rounded by itself."""
    return to_integers(matrix, spread(scales, matrix.shape[1]), bits).astype(np.int8)


def spread(scales, columns):
    """[N, K/B] scales as [N, K]."""
    return np.repeat(scales, columns // scales.shape[1], axis=1)


def round_matrix(matrix, bits, block, second_moment=None):
    """A `Rounded` of [N, K]; by error feedback where the inputs' E[x xᵀ] is known."""
    matrix = np.ascontiguousarray(matrix, np.float32)
    importance = None if second_moment is None else np.diag(second_moment)
    scales = search_scales(matrix, bits, block, importance)
    scales = Scales(scales) if block == "row" else split_scales(scales)
    if second_moment is None:
        integers = nearest(matrix, scales.values(), bits)
    else:
        integers = error_feedback(matrix, scales.values(), bits, second_moment)
    return Rounded(integers, scales, bits)


def error_feedback(matrix, scales, bits, second_moment):
    """[N, K] integers that keep the outputs close: GPTQ (Frantar et al. 2022, arXiv:2210.17323).

    Inputs are rounded one after the other, the strongest first, and what rounding changed in the
    outputs is made up for by the inputs that follow. `second_moment` is E[x xᵀ], [K, K].
    """
    order = np.argsort(-np.diag(second_moment), kind="stable")
    inverse = _inverse_factor(second_moment[np.ix_(order, order)])
    weights = np.ascontiguousarray(matrix.T[order], np.float32)  # [K, N], changed on the way
    steps = np.ascontiguousarray(spread(scales, matrix.shape[1]).T[order], np.float32)
    integers = np.empty_like(weights)
    for start in range(0, len(weights), COLUMNS):
        end = min(start + COLUMNS, len(weights))
        errors = np.empty_like(weights[start:end])
        for k in range(start, end):
            integers[k] = to_integers(weights[k], steps[k], bits)
            errors[k - start] = (weights[k] - integers[k] * steps[k]) / inverse[k, k]
            weights[k + 1 : end] -= inverse[k, k + 1 : end, None] * errors[k - start]
        weights[end:] -= inverse[start:end, end:].T @ errors
    result = np.empty(matrix.shape, np.int8)
    result[:, order] = integers.T
    return result


def _inverse_factor(second_moment):
    """The upper Cholesky factor of the damped matrix's inverse, float32.

    H = R Rᵀ with R upper, by the Cholesky factor of H backwards; R⁻¹ is the factor sought. LAPACK
    works in place: of the widest convolutions' matrices a small machine cannot hold several.
    """
    backwards = np.array(second_moment[::-1, ::-1], np.float64, order="F")
    diagonal = np.einsum("ii->i", backwards)
    diagonal += DAMPING * max(diagonal.mean(), 1e-30)
    lower, _ = lapack.dpotrf(backwards, lower=1, clean=1, overwrite_a=1)
    inverse, _ = lapack.dtrtri(lower, lower=1, overwrite_c=1)
    return inverse[::-1, ::-1].astype(np.float32, order="C")
