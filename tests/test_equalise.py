"""Equalisation and bias correction on the small checkpoints' graphs."""

import numpy as np
import onnx
import pytest

from clip_onnx import graphs
from clip_onnx.host import sessions
from clip_onnx.measure.calibration import Calibration
from stages.encode import bias, equalise, weight_only

KEYS = ["vit/visual", "vit/textual", "rn/visual", "rn/textual"]


def calibration(built, key):
    model, tower = key.split("/")
    return Calibration(built / f"data/calibration/{model}", tower)


def load(built, key):
    return graphs.load(built / f"data/models/{key}/fp32")


def run(model, folder, batches):
    folder.mkdir(exist_ok=True)
    graphs.save(model, folder)
    onnx.checker.check_model(folder / graphs.FILE, full_check=True)
    return sessions.run(sessions.session(folder), batches)


@pytest.mark.parametrize("key", KEYS)
def test_equalised_graphs_compute_the_same(built, tmp_path, key):
    """With channels spoilt on purpose, so that there is something to equalise."""
    model = load(built, key)
    found = list(weight_only.weights(model))
    rng = np.random.default_rng(0)
    for weight in found:
        if not weight.is_table:
            channels = weight.value.shape[0 if weight.outputs_last else 1]
            shape = (-1, 1) if weight.outputs_last else (1, -1, 1, 1)
            factor = 2.0 ** rng.integers(-3, 4, channels)
            equalise.scale(model, weight.consumer, weight.place, factor.reshape(shape))
    batches = list(calibration(built, key).batches())[:3]
    before = run(model, tmp_path / "before", batches)
    sizes = [spread(weight) for weight in found if not weight.is_table]
    equalise.apply(model, found)
    after = run(model, tmp_path / "after", batches)
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-6 * np.abs(before).max())
    now = [spread(weight) for weight in found if not weight.is_table]
    better = sum(b < 0.7 * a for a, b in zip(sizes, now, strict=True))
    assert better >= {"vit/visual": 7, "vit/textual": 7, "rn/visual": 11, "rn/textual": 7}[key]
    assert all(b <= 1.1 * a for a, b in zip(sizes, now, strict=True))


def spread(weight):
    """How far apart the sizes of an input's weights lie, in powers of two."""
    return np.log2(np.sqrt(np.square(weight.matrix()).mean(0)) + 1e-12).std()


@pytest.mark.parametrize("key", KEYS)
def test_a_change_of_the_mean_is_put_back(built, tmp_path, key):
    """Every weight but the token table has a place for it: a shift moves the outputs, a shift
    and its opposite do not."""
    model = load(built, key)
    batches = list(calibration(built, key).batches())[:2]
    before = run(model, tmp_path / "before", batches)
    found = [weight for weight in weight_only.weights(model) if not weight.is_table]
    changes = [np.full(weight.matrix().shape[0], 0.05) for weight in found]
    for weight, change in zip(found, changes, strict=True):
        bias.correct(model, weight, change, weight.matrix())
    shifted = run(model, tmp_path / "shifted", batches)
    assert np.abs(shifted - before).max() > 1e-3
    for weight, change in zip(found, changes, strict=True):
        bias.correct(model, weight, -change, weight.matrix())
    after = run(model, tmp_path / "after", batches)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * np.abs(before).max())


def test_a_projections_bias_is_the_norms(built, tmp_path):
    model = load(built, "vit/visual")
    batches = list(calibration(built, "vit/visual").batches())[:2]
    before = run(model, tmp_path / "before", batches)
    projection = list(weight_only.weights(model))[-1]
    change = np.linspace(-1, 1, 48)
    bias.correct(model, projection, change, projection.matrix())
    after = run(model, tmp_path / "after", batches)
    np.testing.assert_allclose(after, before + change, atol=1e-4)
