"""Which integers stand for a weight matrix: scales by search, rounding with error feedback.

A matrix here is [N, K]: a row holds the weights of one output, its K inputs cut into blocks that
share a scale. Integers fill -2**(bits-1) … 2**(bits-1) - 1; a negative scale puts the longer side
on whichever end of a block's values lies further out.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

FACTORS = np.linspace(
    0.7, 1.05, 15, dtype=np.float32
)  # of the scale that just holds a block's largest weight
# Weights searched at a time: they stay in a CPU's cache, and keep numpy at work for so long that
# threads seldom wait for each other's Python.
CACHED = 2**17
SCALES = 64  # of them at least: numpy's innermost loops are as long
ROWS = 2**16  # rounded at a time: the tables of many languages have a million
SUB_SCALE_TOP = 127  # a block's scale is an int8 times its row's fp16
# Of the mean diagonal, for inputs that calibration hardly moved. A third or three times as much
# changed the mean error of texts by about 1 dB at most, up in one trained model, down in another.
DAMPING = 0.01
COLUMNS, FEW = 256, 16  # inputs rounded between two updates of all that follow, and of those near


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
        columns = self.integers.shape[1]
        return by_rows(
            lambda part, one: part * spread(one, columns), self.integers, self.scales.values()
        )


def by_rows(work, *matrices):
    """work of so many ROWS of all the matrices at a time, put together."""
    starts = range(0, len(matrices[0]), ROWS)
    return np.concatenate([work(*(m[start : start + ROWS] for m in matrices)) for start in starts])


def block_length(row, block):
    """The longest divisor of a row's length that is no longer than `block`."""
    if block == "row":
        return row
    return next(length for length in range(min(block, row), 0, -1) if row % length == 0)


def levels(bits):
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def to_integers(array, scale, bits, out=None):
    integers = np.divide(array, scale, out=out)
    np.rint(integers, out=integers)
    return np.clip(integers, *levels(bits), out=integers)


def search_scales(matrix, bits, block, importance=None):
    """[N, K/B] scales with the least squared error, each input's weighted by `importance` [K].

    Every sum is of float32 numbers one after the other, so that all CPUs choose the same.
    """
    length = block_length(matrix.shape[1], block)
    blocked = matrix.reshape(len(matrix), -1, length)
    weight = None if importance is None else _weight(importance, length)
    rows = max(CACHED // matrix.shape[1], -(-SCALES // blocked.shape[1]))
    parts = (blocked[start : start + rows] for start in range(0, len(matrix), rows))
    return np.concatenate([_search(part, bits, weight) for part in parts])


def _weight(importance, length):
    """float32 [B, 1, K/B]: the importance times the power of two that brings it close to 1."""
    mean = max(importance.mean(dtype=float), 1e-30)
    scaled = importance * 2.0 ** -np.floor(np.log2(mean))
    return np.ascontiguousarray(scaled.astype(np.float32).reshape(-1, length).T[:, None])


def _search(blocked, bits, weight):
    """[rows, K/B] of [rows, K/B, B]: the best of two ways to hold the largest weight, shrunk."""
    low, high = levels(bits)
    blocked = np.ascontiguousarray(blocked.transpose(2, 0, 1))  # sums go along the first axis
    places = np.abs(blocked).argmax(0)[None]
    extreme = np.take_along_axis(blocked, places, 0)[0]
    if weight is not None:
        weight = np.ascontiguousarray(np.broadcast_to(weight, blocked.shape))
    best = np.full(extreme.shape, np.inf, np.float32)
    chosen, error = np.ones_like(extreme), np.empty_like(blocked)
    for whole in (extreme / low, np.abs(extreme) / high):
        for factor in FACTORS:
            scale = np.where(whole == 0, np.float32(1), whole * factor)
            to_integers(blocked, scale, bits, error)
            error *= scale
            error -= blocked
            np.square(error, out=error)
            if weight is not None:
                error *= weight
            total = error.sum(0)
            better = total < best
            best[better], chosen[better] = total[better], scale[better]
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


def round_matrix(matrix, bits, block, feedback=None):
    """A `Rounded` of [N, K]; by error feedback where it is given."""
    matrix = np.ascontiguousarray(matrix, np.float32)
    importance = None if feedback is None else feedback.importance
    scales = search_scales(matrix, bits, block, importance)
    scales = Scales(scales) if block == "row" else split_scales(scales)
    work = nearest if feedback is None else partial(error_feedback, feedback=feedback)
    integers = by_rows(partial(work, bits=bits), matrix, scales.values())
    return Rounded(integers, scales, bits)


class Feedback(NamedTuple):
    """In which order inputs are rounded, and how those still to come make up for it."""

    importance: np.ndarray  # float64 [K], E[x²] of the inputs x
    order: np.ndarray  # [K]; rounding begins at the end, with the strongest input
    shares: np.ndarray  # float64 [K, K], below the diagonal: of k's error, what j < k takes over

    @classmethod
    def of(cls, moments):
        """From `Moments`. H = E[x xᵀ], damped, is (I + shares) D (I + shares)ᵀ: Cholesky's factor.

        LAPACK works in place: of the widest convolutions' matrices a small machine holds one.
        """
        squares = moments.squares()
        order = np.argsort(-squares, kind="stable")[::-1]
        second = moments.second(order)
        damping = DAMPING * max(squares.mean(), 1e-30)
        np.einsum("ii->i", second)[:] += damping + moments.slack(order)
        upper, failed = lapack.dpotrf(second, lower=0, clean=0, overwrite_a=1)
        assert not failed, "damping keeps the matrix positive"
        shares = upper.T
        shares /= np.diag(shares).copy()
        return cls(squares, order, shares)


def error_feedback(matrix, scales, bits, feedback):
    """[N, K] integers that keep the outputs close: GPTQ (Frantar et al. 2022, arXiv:2210.17323),
    in the form that Chee et al. (2023, arXiv:2307.13304) show to be the same.

    Inputs are rounded one after the other, the strongest first, and what rounding changed in the
    outputs is made up for by the inputs still to come: at once by the next few, by the others
    when COLUMNS are done. In float64, so that all CPUs round to the same integers.
    """
    _, order, shares = feedback
    errors = np.array(matrix.T[order], np.float64)  # [K, N]; the weights, until they are rounded
    steps = spread(scales, matrix.shape[1]).T[order].astype(np.float64)
    wanted = errors.copy()  # the weights, with what the inputs before have left to them
    integers = np.empty(errors.shape, np.int8)
    for end in range(len(errors), 0, -COLUMNS):
        start = max(end - COLUMNS, 0)
        for last in range(end, start, -FEW):
            first = max(last - FEW, start)
            for k in range(last - 1, first - 1, -1):
                wanted[k] += shares[k + 1 : last, k] @ errors[k + 1 : last]
                rounded = to_integers(wanted[k], steps[k], bits)
                integers[k] = rounded
                errors[k] -= rounded * steps[k]
            wanted[start:first] += shares[first:last, start:first].T @ errors[first:last]
        wanted[:start] += shares[start:end, :start].T @ errors[start:end]
    result = np.empty(matrix.shape, np.int8)
    result[:, order] = integers.T
    return result
