"""Equalisation, moments of activations and bias correction on the small checkpoints' graphs."""

import numpy as np
import onnx
import pytest

from stages import graph, runtime
from stages.calibration import Calibration
from stages.schemes import activations, bias, equalise, weight_only

KEYS = ["vit/visual", "vit/textual", "rn/visual", "rn/textual"]


def calibration(built, key):
    model, tower = key.split("/")
    return Calibration(built / "data/evalset", built / f"data/reference/{model}", tower)


def load(built, key):
    return graph.load(built / f"data/models/{key}/fp32")


def run(model, folder, batches):
    folder.mkdir(exist_ok=True)
    graph.save(model, folder)
    onnx.checker.check_model(folder / graph.FILE, full_check=True)
    return runtime.run(runtime.session(folder), batches)


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
def test_moments_are_of_what_the_weight_reads(built, key):
    """W E[x], and the bias behind it, are the mean of what the product or convolution gives."""
    model, split = load(built, key), calibration(built, key)
    found = list(weight_only.weights(model))
    collected = list(activations.collect(model, found, split.batches))
    assert len(collected) == sum(not weight.is_table for weight in found)
    for _, moments in collected:
        np.testing.assert_allclose(moments.second, moments.second.T, atol=1e-4)
        assert (np.diag(moments.second) >= moments.mean**2 - 1e-3).all()
    weight, moments = collected[0]
    assert moments.mean.shape == (weight.matrix().shape[1],)


@pytest.mark.parametrize("kernel", [(3, 3, 2, 1), (1, 1, 1, 0), (4, 4, 4, 0)])
def test_unfolded_rows_give_a_convolutions_outputs(kernel):
    import onnx_ir as ir
    import torch

    height, width, stride, pad = kernel
    rng = np.random.default_rng(0)
    array = rng.normal(size=(2, 5, 12, 12)).astype("f")
    stored = rng.normal(size=(7, 5, height, width)).astype("f")
    value = ir.Value(name="w", const_value=ir.tensor(stored), shape=ir.Shape(stored.shape))
    node = ir.node(
        "Conv", [ir.Value(name="x"), value], {"pads": [pad] * 4, "strides": [stride] * 2}
    )
    weight = weight_only.Weight(value, node, 1)
    rows = activations.unfold(weight, array)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(array), torch.from_numpy(stored), stride=stride, padding=pad
    )
    ours = (rows @ weight.matrix().T).reshape(2, -1, 7).transpose(0, 2, 1)
    np.testing.assert_allclose(ours, expected.flatten(2).numpy(), atol=1e-4)


def test_groups_hold_what_memory_allows(built, monkeypatch):
    model = load(built, "vit/visual")
    found = [weight for weight in weight_only.weights(model) if not weight.is_table]
    assert len(list(activations.groups(found))) == 1
    monkeypatch.setattr(activations, "GROUP_BYTES", 4 * 512**2)
    groups = list(activations.groups(found))
    assert len(groups) > 2
    assert [weight for group in groups for weight in group] == found
    split = calibration(built, "vit/visual")
    few = {w.value.name: m for w, m in activations.collect(model, found, split.batches)}
    monkeypatch.undo()
    for weight, moments in activations.collect(model, found, split.batches):
        np.testing.assert_allclose(few[weight.value.name].second, moments.second, rtol=1e-4)


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
