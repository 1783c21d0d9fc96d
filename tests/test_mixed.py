import itertools
import json

import numpy as np
import pytest

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.measure.calibration import Calibration
from stages.encode import weight_only
from stages.encode.schemes import mixed

import small


@pytest.fixture
def choice(built, monkeypatch):
    """The choice of widths for the small ViT's visual tower."""
    monkeypatch.chdir(built)
    model = graphs.load(built / "data/models/vit/visual/fp32")
    table = json.loads((small.sensitivity("vit") / "visual.json").read_text("utf-8"))
    return mixed.Choice(list(weight_only.weights(model)), table, 32)


def test_the_choice_is_the_smallest_that_keeps_the_budget(choice):
    """Against every choice there is, of four tensors."""
    choice.weights = choice.weights[:4]
    choice.errors, choice.bytes = choice.errors[:4], choice.bytes[:4]
    rows = np.arange(4)
    for budget in (choice.errors.min(1).sum() * factor for factor in (1.01, 3, 20, 100)):
        kept = [
            choice.bytes[rows, columns].sum()
            for columns in itertools.product(range(len(mixed.WIDTHS)), repeat=4)
            if choice.errors[rows, columns].sum() <= budget
        ]
        assert choice.size(choice.within(budget)) == int(min(kept))


def test_a_budget_that_nothing_keeps_gets_the_widest(choice):
    assert set(choice.within(1e-30).values()) == {8}


def test_more_error_buys_fewer_bytes(choice):
    sizes = [choice.size(choice.within(budget)) for budget in (1e-6, 1e-5, 1e-4, 1e-3, 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert set(choice.within(1e3).values()) == {3}


def test_a_table_of_another_tower_is_refused(built, choice):
    other = list(weight_only.weights(graphs.load(built / "data/models/vit/textual/fp32")))
    table = {"bits": 4, "tensors": []}
    with pytest.raises(command.Refusal, match="lacks token_embedding.weight: rerun `sensitivity`"):
        mixed.Choice(other, table, 32)


class Halving:
    """A choice between sizes whose error is proportional to what they save."""

    def __init__(self, step=0):
        self.step = step

    def within(self, budget):
        size = min(8.0, max(1.0, -np.log2(budget)))
        return {"weight": np.ceil(size / self.step) * self.step if self.step else size}

    def size(self, widths):
        return widths["weight"]


@pytest.mark.parametrize("worse", [0.3, 1, 7])
def test_the_budget_follows_what_is_measured(worse):
    measured = []

    def measure(widths):
        measured.append(worse * 2.0 ** -widths["weight"])
        return measured[-1]

    found = mixed.search(Halving(), lambda widths: widths, measure, 0.1)
    assert mixed.CLOSE * 0.1 <= worse * 2.0 ** -found["weight"] <= 0.1
    assert len(measured) <= 4


def test_a_near_miss_that_a_smaller_budget_does_not_change_is_left_behind():
    """Sizes are 2, 4, 6 and 8; 4 is a little too coarse, and so is what comes next."""
    found = mixed.search(Halving(2), lambda w: w, lambda w: 1.65 * 2.0 ** -w["weight"], 0.1)
    assert found == {"weight": 6}


def test_a_target_beyond_the_widest_is_refused():
    with pytest.raises(command.Refusal, match="8 bits a weight reach 0.900000 at best"):
        mixed.search(Halving(), lambda widths: widths, lambda _: 0.1, 0.01)


@pytest.mark.parametrize("key", ["vit/visual", "vit/textual", "rn/visual", "rn/textual"])
def test_the_file_holds_its_target_on_the_calibration_split(built, key):
    model, tower = key.split("/")
    split = Calibration(built / f"data/calibration/{model}", tower)
    folder = built / f"data/models/{key}"
    embeds = sessions.run(sessions.session(folder / "mixed"), split.batches())
    assert parity.cosine(split.embeds(), embeds).min() >= 0.999
    widths = json.loads(graphs.load(folder / "mixed").metadata_props["widths"])
    assert len(set(widths.values())) > 1
    assert graphs.size(folder / "mixed") < graphs.size(folder / "int8w")
