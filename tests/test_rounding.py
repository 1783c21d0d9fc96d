import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_onnx.measure.calibration import Moments
from stages.encode import rounding


def weights(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_t(5, (rows, columns)).astype(np.float32)


def error(matrix, scales, bits, importance=1.0):
    steps = rounding.spread(scales, matrix.shape[1])
    return np.square(rounding.nearest(matrix, scales, bits) * steps - matrix).dot(
        np.broadcast_to(importance, matrix.shape[1])
    )


@settings(max_examples=40)
@given(
    bits=st.integers(3, 8),
    rows=st.integers(1, 9),
    columns=st.integers(1, 70),
    block=st.one_of(st.just("row"), st.integers(8, 64)),
    size=st.floats(1e-6, 1e3),
)
def test_searched_scales_are_no_worse_than_the_largest_weights(bits, rows, columns, block, size):
    matrix = weights(rows, columns) * np.float32(size)
    scales = rounding.search_scales(matrix, bits, block)
    blocked = np.abs(matrix).reshape(rows, scales.shape[1], -1)
    plain = blocked.max(-1) / rounding.levels(bits)[1]
    assert error(matrix, scales, bits).sum() <= error(matrix, plain, bits).sum() * (1 + 1e-5)


def test_a_negative_scale_puts_the_longer_side_on_the_end_with_one_more_integer():
    matrix = np.array([[4.0, -3, 1, 0], [-4, 3, 1, 0]], np.float32)
    scales = rounding.search_scales(matrix, 3, "row")
    np.testing.assert_array_equal(scales, [[-1], [1]])
    np.testing.assert_array_equal(
        rounding.nearest(matrix, scales, 3) * scales, matrix.astype(np.int8)
    )


def test_important_inputs_are_rounded_better():
    matrix, importance = weights(64, 96), np.ones(96)
    importance[:4] = 1000
    scales = rounding.search_scales(matrix, 4, 32, importance)
    plain = rounding.search_scales(matrix, 4, 32)
    assert error(matrix, scales, 4, importance).sum() < error(matrix, plain, 4, importance).sum()


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_split_scales_are_an_int8_times_a_half(size):
    scales = rounding.search_scales(weights(64, 256) * np.float32(size), 4, 32)
    split = rounding.split_scales(scales)
    assert (split.sub.dtype, split.rows.dtype) == (np.int8, np.float16)
    assert (np.abs(split.sub) == 127).any(axis=1).all()
    assert 0.5 < np.median(split.rows) < 4  # in the middle of half precision's range
    step = float(split.rows.max()) * 2.0**split.exponent
    np.testing.assert_allclose(split.values(), scales, atol=0.51 * step)


@pytest.mark.parametrize(("row", "block", "length"), [(768, 64, 64), (588, 32, 28), (27, 8, 3)])
def test_block_length_divides_every_row(row, block, length):
    assert rounding.block_length(row, block) == length


def test_zero_rows_stay_zero():
    matrix = np.zeros((4, 32), np.float32)
    for block in ("row", 8):
        scales = rounding.search_scales(matrix, 5, block)
        assert np.isfinite(rounding.split_scales(scales).values()).all()
        assert not rounding.nearest(matrix, scales, 5).any()


def correlated(rows, columns):
    rng = np.random.default_rng(1)
    common = rng.normal(size=(rows, columns // 4)) @ rng.normal(size=(columns // 4, columns))
    return (common + rng.normal(size=(rows, columns))).astype("f")


def feedback(inputs):
    inputs = inputs.astype(np.float64)
    return rounding.Feedback.of(Moments.of(inputs.mean(0), inputs.T @ inputs / len(inputs)))


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_error_feedback_keeps_outputs_closer_on_inputs_it_never_saw(bits):
    matrix, inputs = weights(48, 160), correlated(3000, 160)
    seen, unseen = inputs[:2000], inputs[2000:]
    scales = rounding.search_scales(matrix, bits, 32)
    fed = rounding.error_feedback(matrix, scales, bits, feedback(seen))
    low, high = rounding.levels(bits)
    assert low <= fed.min() <= fed.max() <= high
    steps = rounding.spread(scales, 160)
    outputs, plain = unseen @ matrix.T, rounding.nearest(matrix, scales, bits)
    errors = [np.square(unseen @ (q * steps).T - outputs).sum() for q in (fed, plain)]
    assert errors[0] < 0.5 * errors[1]


def test_error_feedback_bears_inputs_that_never_moved():
    inputs = np.zeros((4, 16))
    inputs[:4, :4] = 2 * np.eye(4)
    matrix = weights(8, 16)
    scales = rounding.search_scales(matrix, 4, "row")
    fed = rounding.error_feedback(matrix, scales, 4, feedback(inputs))
    np.testing.assert_array_equal(fed, rounding.nearest(matrix, scales, 4))


@pytest.mark.parametrize("rows", [20, 900])
def test_error_feedback_is_gptqs(rows):
    """As the paper writes it: by the factor of the inverse, one input after the other."""
    inputs, matrix, bits = correlated(rows, 300), weights(9, 300), 4
    scales = rounding.search_scales(matrix, bits, 25)
    given = feedback(inputs)
    order = given.order[::-1]
    lower = np.eye(300) + np.tril(given.shares, -1)  # H is this, some diagonal, and its transpose
    moments = Moments.of(inputs.mean(0), inputs.T.astype(float) @ inputs / rows)
    second = moments.second(given.order)
    damping = rounding.DAMPING * moments.squares().mean() + moments.slack(given.order)
    damped = second + np.diag(damping)
    diagonal = np.linalg.solve(lower, np.linalg.solve(lower, damped).T)
    np.testing.assert_allclose(diagonal, np.diag(np.diag(diagonal)), atol=1e-9 * diagonal.max())
    inverse = np.linalg.inv(damped[::-1, ::-1])
    factor = np.linalg.cholesky(inverse).T  # upper, the strongest input first
    left, steps = matrix.T[order].astype(float), rounding.spread(scales, 300).T[order]
    expected = np.empty_like(left)
    for k in range(300):
        expected[k] = rounding.to_integers(left[k], steps[k], bits)
        error = (left[k] - expected[k] * steps[k]) / factor[k, k]
        left[k + 1 :] -= np.outer(factor[k, k + 1 :], error)
    fed = rounding.error_feedback(matrix, scales, bits, given)
    np.testing.assert_array_equal(fed[:, order].T, expected)


def test_scales_do_not_depend_on_the_order_in_which_a_cpu_adds():
    """Blocks that are searched together or alone, in any arrangement, get the same scales."""
    matrix, importance = weights(40, 96), np.linspace(0.1, 7, 96)
    together = rounding.search_scales(matrix, 4, 24, importance)
    apart = [rounding.search_scales(matrix[[n]], 4, 24, importance) for n in range(40)]
    np.testing.assert_array_equal(together, np.concatenate(apart))
