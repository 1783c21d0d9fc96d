"""clip_onnx/measure/parity.py by hand-made numbers; tests/test_parity.py is the gate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_onnx.measure import parity
from clip_onnx.settings import params

RNG = np.random.default_rng(0)


def test_cosine_of_known_angles():
    assert parity.cosine([[1, 0], [1, 1]], [[0, 2], [3, 3]]) == pytest.approx([0, 1])


def test_snr_ignores_what_all_embeddings_share():
    reference = RNG.normal(size=(50, 8))
    noise = RNG.normal(size=(50, 8)) * 0.01
    plain = parity.snr_db(reference, reference + noise)
    assert plain == pytest.approx(40, abs=1)
    assert parity.snr_db(reference + 100, reference + 100 + noise) == pytest.approx(plain, abs=1e-6)
    assert parity.cosine(reference + 100, reference + 100 + noise).min() > 0.9999999


def test_equal_embeddings_have_a_finite_snr():
    reference = RNG.normal(size=(5, 8))
    assert parity.snr_db(reference, reference) == pytest.approx(parity.MOST_DB)


def test_measure_takes_the_worst_run():
    reference = RNG.normal(size=(20, 8))
    runs = [reference, reference + RNG.normal(size=(20, 8)) * 0.1]
    others = RNG.normal(size=(30, 8))
    assert parity.measure(reference, runs, others) == parity.measure(reference, runs[1:], others)
    assert parity.measure(reference, runs, others)["inputs"] == 20


@settings(max_examples=30)
@given(st.floats(1e-3, 1e3))
def test_cosine_is_blind_to_scale_and_snr_is_not(factor):
    reference = RNG.normal(size=(10, 8))
    assert parity.cosine(reference, reference * factor) == pytest.approx(np.ones(10))
    if abs(factor - 1) > 0.1:
        assert parity.snr_db(reference, reference * factor) < 25


def test_agreement_counts_equal_choices():
    others = np.eye(3)
    assert parity.agreement(np.eye(3), np.eye(3)[[0, 1, 1]], others) == pytest.approx(2 / 3)


def test_control_is_far_below_any_floor():
    reference = RNG.normal(size=(20, 8))
    control = parity.control(reference)
    assert control["cosine_min"] < 0.5
    assert control["snr_db"] < 1


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("cosine_min", 0.99898765, 0.99899),
        ("cosine_mean", 1 - 1.2345e-6, 0.9999988),
        ("cosine", 1 - 4e-8, 1.0),
        ("cosine", 1 + 1e-12, 1.0),
        ("cosine", -0.45678, -0.46),
        ("snr_db", 48.949, 48.9),
        ("snr_db", 99.99999, 100.0),
        ("logits_error", 2.345e-5, 2.3e-5),
        ("accuracy", 0.98765, 0.9877),
        ("pixels_off", 1 / 30000, 3.33e-5),
        ("cosine_min", float("nan"), None),
        ("snr_db", float("-inf"), None),
        ("target_met", True, True),
    ],
)
def test_figures_have_the_digits_that_repeat(name, value, written):
    found = parity.rounded({name: value})
    assert found == {name: written} and type(found[name]) is type(written)


@given(st.floats(1e-6, 1), st.floats(-1, 1))
def test_a_rounded_cosine_is_nearer_than_noise(error, part):
    """Two that round apart are closer than what is forgiven: nothing moves by rounding alone."""
    forgiven = params.load().noise.cosine
    before, now = 1 - error, 1 - error * (1 + 0.005 * part)
    found = [parity.repeatable("cosine", cosine) for cosine in (before, now)]
    margin = forgiven.share * (1 - found[0]) + forgiven.least
    assert abs(found[1] - found[0]) <= margin


BROKEN = {"nan": np.nan, "inf": np.inf, "zero": 0.0}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("place", [0, 3, 5])
def test_one_embedding_without_a_direction_fails_every_figure(value, place):
    reference, others = RNG.normal(size=(6, 8)), RNG.normal(size=(30, 8))
    broken = reference.copy()
    broken[place] = value
    for runs in ([broken, reference], [reference, broken]):
        found = parity.rounded(parity.measure(reference, runs, others))
        assert found["cosine_min"] is None and found["cosine_mean"] is None
        assert found["top1_agreement"] == pytest.approx(5 / 6, abs=1e-4)
        assert found["snr_db"] is None or found["snr_db"] < 20


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_chooses_nothing(value):
    scores = np.array([[0.1, 0.9], [value, 0.5], [0.9, 0.1]])
    assert parity.choice(scores).tolist() == [1, parity.NOTHING, 0]


def test_the_worst_of_figures_is_nan_wherever_it_stands():
    assert np.isnan(parity.worst([0.5, np.nan]))
    assert np.isnan(parity.worst([np.nan, 0.5]))
    assert parity.worst([0.7, 0.5]) == 0.5


def test_what_a_file_has_to_reach_elsewhere():
    assert parity.least_elsewhere(1) == pytest.approx(1 - 1e-6)
    assert parity.least_elsewhere(0.99) == pytest.approx(0.98 - 1e-6)
    assert parity.least_elsewhere(np.nan) == 1  # nothing that it gives is enough
