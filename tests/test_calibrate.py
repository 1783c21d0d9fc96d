"""What calibrate writes, against the tower that it was taken from and against plain arithmetic."""

import numpy as np
import pytest
import torch

from clip_onnx import graphs
from clip_onnx.checkpoint import architecture
from clip_onnx.measure import calibration
from clip_onnx.openai import passes
from stages.calibrate import collected
from stages.encode import equalise, weight_only

KEYS = ["vit/visual", "vit/textual", "rn/visual", "rn/textual"]


def opened(built, key):
    model, tower = key.split("/")
    return calibration.Calibration(built / f"data/calibration/{model}", tower)


@pytest.mark.parametrize("key", KEYS)
def test_every_weight_but_a_table_has_moments(built, key):
    found = opened(built, key)
    for weight in weight_only.weights(graphs.load(built / f"data/models/{key}/fp32")):
        if not weight.is_table:
            moments = found.moments(weight.name)
            count = weight.inputs
            assert moments.mean.shape == moments.size.shape == (count,)
            assert moments.correlations.shape == (count * (count + 1) // 2,)
            assert (moments.squares() >= moments.mean.astype(float) ** 2 * (1 - 1e-6)).all()


@pytest.mark.parametrize("key", KEYS)
def test_embeddings_are_the_towers_and_the_sizes_the_models(built, key):
    model, tower = key.split("/")
    found, checkpoint = opened(built, key), built / f"data/checkpoints/{model}"
    assert found.sizes() == architecture.of(checkpoint)
    again = passes.of_model(graphs.load(built / f"data/models/{key}/fp32"), found.sizes(), tower)
    np.testing.assert_allclose(again.embed(found.batches()), found.embeds(), atol=1e-6)


def test_moments_are_those_of_what_a_product_reads(built):
    """A tower whose products are looked at by hand."""
    found, name = opened(built, "vit/textual"), "transformer.resblocks.1.mlp.c_fc.weight"
    tower = passes.of_checkpoint(built / "data/checkpoints/vit", found.sizes(), "textual")
    rows = []

    def see(product, _):
        if product.name == name:
            rows.append(product.inputs.reshape(-1, 128).numpy())

    tower.embed([*found.batches(), *found.scrambled()], see)
    rows = np.concatenate(rows)
    moments = found.moments(name)
    np.testing.assert_allclose(moments.mean, rows.mean(0), atol=1e-6)
    second = rows.T @ rows / len(rows)
    order = np.random.default_rng(0).permutation(128)
    sizes = np.sqrt(np.diag(second))
    difference = moments.second(order) - second[np.ix_(order, order)]
    assert np.abs(difference / np.outer(sizes, sizes)[np.ix_(order, order)]).max() < 1.6e-5


def random_moments(count, rows):
    given = np.random.default_rng(0).normal(size=(rows, count)) @ np.diag(
        np.arange(count) % 7 + 1.0
    )
    sums = collected.Sums(count)
    for part in np.array_split(given, 3):
        sums.add(torch.from_numpy(part))
    return given, sums.moments()


def test_scaling_by_powers_of_two_is_exact():
    given, moments = random_moments(24, 50)
    factor = 2.0 ** np.random.default_rng(1).integers(-6, 7, 24)
    sums = collected.Sums(24)
    sums.add(torch.from_numpy(given / factor))
    for ours, expected in zip(moments.scaled(factor), sums.moments(), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("rows", [1, 40, 500])
def test_slack_keeps_rounded_correlations_positive(rows):
    """Also where there are fewer rows than inputs, and so no positive matrix to begin with."""
    _, moments = random_moments(200, rows)
    order = np.arange(200)
    second = moments.second(order) + np.diag(moments.slack(order))
    assert np.linalg.eigvalsh(second)[0] > 0


def test_an_input_that_never_moved_correlates_with_nothing():
    sums = collected.Sums(3)
    sums.add(torch.tensor([[1.0, 0.0, 2.0], [2.0, 0.0, 4.0]], dtype=torch.float64))
    moments = sums.moments()
    unit = calibration.UNIT
    assert moments.correlations.tolist() == [unit, 0, 0, unit, 0, unit]
    assert moments.second(np.arange(3))[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kernel", [(3, 3, 2, 1), (1, 1, 1, 0), (4, 4, 4, 0)])
def test_unfolded_rows_give_a_convolutions_outputs(kernel):
    height, width, stride, pad = kernel
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 5, 12, 12, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, 5, height, width, generator=generator, dtype=torch.float64)
    rest = (None, (stride, stride), (pad, pad), (1, 1), 1)
    product = passes.Product("w", torch.nn.functional.conv2d, inputs, weight, rest)
    rows = collected.unfold(product)
    ours = (rows @ weight.flatten(1).T).reshape(2, -1, 7).transpose(1, 2)
    torch.testing.assert_close(ours, product.of().flatten(2))


def test_large_pictures_give_some_positions(monkeypatch):
    monkeypatch.setattr(collected, "POSITIONS", 10)
    inputs = torch.arange(49.0).reshape(1, 1, 7, 7)
    rest = (None, (1, 1), (0, 0), (1, 1), 1)
    product = passes.Product("w", torch.nn.functional.conv2d, inputs, torch.ones(1, 1, 1, 1), rest)
    assert collected.unfold(product).flatten().tolist() == list(range(0, 49, 5))


@pytest.mark.parametrize("side", [7, 14, 24, 28, 32, 36, 48, 56, 72, 96, 112, 144, 192, 224])
def test_positions_stand_in_all_columns_alike(side):
    """A border, whose windows hold padding, is no more often among them than it is there."""
    chosen = collected.positions(side, side)
    assert min(side**2, 110) <= len(chosen) <= collected.POSITIONS
    columns = np.bincount(chosen.numpy() % side, minlength=side)
    assert columns.max() - columns.min() <= 1 + (len(chosen) < side)


def test_a_resnets_extremes_are_of_every_picture_and_channel(built):
    found = opened(built, "rn/visual")
    count = len(found.embeds())
    for place, channels in {"conv1.input": 3, "bn1.output": 4, "layer4.1.sum": 256}.items():
        low, high = found.extremes(place)
        assert low.shape == high.shape == (count, channels)
        assert (low <= high).all() and (low < high).any()
    pixels = np.concatenate(list(found.batches()))
    np.testing.assert_array_equal(found.extremes("conv1.input")[1], pixels.max((2, 3)))


def test_no_two_captions_of_a_batch_differ_in_length(built):
    found = opened(built, "vit/textual")
    rows = [row for batch in found.batches() for row in batch]
    assert all(row.argmax() == len(row) - 1 for row in rows)
    assert len(rows) == len(found.embeds())


def test_equalising_says_what_it_divided(built):
    """With channels spoilt on purpose, so that there is something to equalise."""
    model = graphs.load(built / "data/models/rn/visual/fp32")
    found = {weight.name: weight for weight in weight_only.weights(model)}
    weight, rng = found["layer4.1.conv2.weight"], np.random.default_rng(0)
    spoilt = 2.0 ** rng.integers(-3, 4, weight.value.shape[1]).reshape(1, -1, 1, 1)
    equalise.scale(model, weight.consumer, weight.place, spoilt)
    before = weight.array()
    factors = equalise.apply(model, list(found.values()))
    factor = factors[weight.name]
    assert np.log2(factor * spoilt.ravel()).std() < 0.5
    np.testing.assert_array_equal(factors["layer4.1.bn1"], factor)
    np.testing.assert_array_equal(weight.array(), before * factor.reshape(1, -1, 1, 1))
