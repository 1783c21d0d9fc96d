import json
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.measure.calibration import Calibration
from clip_onnx.names import TOWERS
from clip_onnx.openai import passes
from clip_onnx.settings.encodings import Form, Mixed
from stages.encode.choice import WIDTHS, Choice, widths
from stages.encode.schemes import mixed


class Halving:
    """A choice between sizes whose error is proportional to what they save."""

    def __init__(self, step=0):
        self.step = step

    def within(self, budget):
        size = min(16.0, max(1.0, -np.log2(budget)))
        return {"weight": Form.model_construct(bits=self.rounded(size))}

    def rounded(self, size):
        return np.ceil(size / self.step) * self.step if self.step else size

    def size(self, forms):
        return forms["weight"].bits


def as_it_is(forms):
    return forms["weight"].bits


def reached(error):
    return mixed.Reached(error, 40.0)


@pytest.mark.parametrize("worse", [0.3, 1, 7])
def test_the_budget_follows_what_is_measured(worse):
    measured = []

    def measure(bits):
        measured.append(worse * 2.0**-bits)
        return reached(measured[-1])

    bits, found = mixed.search(Halving(), as_it_is, measure, 0.1)
    assert mixed.CLOSE * 0.1 <= found.error <= 0.1
    assert found.error == worse * 2.0**-bits
    assert len(measured) <= 4


def test_a_near_miss_that_a_smaller_budget_does_not_change_is_left_behind():
    """Sizes are even; 4 is a little too coarse, and so is what comes next."""
    bits, _ = mixed.search(Halving(2), as_it_is, lambda bits: reached(1.65 * 2.0**-bits), 0.1)
    assert bits == 6


def test_a_target_beyond_what_can_be_built_gets_the_most_exact():
    most = mixed.search(Halving(), as_it_is, lambda _: reached(0.1), 0.01)
    assert most == (16.0, reached(0.1))


class Told:
    """A Sensitivity to two weights, one of which means nothing to the embedding."""

    bits, block = 4, 32

    def error(self, name):
        return {"counts": 1e-3, "does not": 0.0}[name]


class Stored(NamedTuple):
    value: object
    inputs: int


def weight(name):
    values = np.zeros((64, 32), "f")
    value = graphs.ir.Value(name=name, const_value=graphs.ir.tensor(values, name=name))
    return Stored(value, 64)


def test_where_nothing_is_exact_enough_a_weight_without_meaning_gets_the_most_bits_too():
    candidates = [weight("counts"), weight("does not")]
    choice = Choice({one: widths(one, Form(bits=16, block=32)) for one in candidates}, Told())
    bits, _ = mixed.search(choice, lambda forms: [*forms.values()], lambda _: reached(0.1), 0.01)
    assert [form.bits for form in bits] == [16, 16]


@pytest.mark.parametrize(("error", "met"), [(0.0001, True), (0.0002, False)])
def test_the_metadata_tell_what_was_measured_from_what_is_expected(error, met):
    said = mixed.outcome(0.999, reached(error), elsewhere=7)
    assert said["met"] == met and said["snr_db"] == 40
    assert said["cosine"] == 0.999 and said["calibration"] == round(1 - error, 7)
    assert said["expected"] == pytest.approx(1 - 7 * error, abs=1e-7)


def test_a_model_may_have_a_target_of_its_own():
    given = {"target_cosine": 0.999, "models": {"own": {"visual": 0.99, "textual": 0.98}}}
    encoding = Mixed.model_validate({"scheme": "mixed"} | given)
    found = {m: [encoding.target(m, tower) for tower in TOWERS] for m in ("own", "other")}
    assert found == {"own": [0.99, 0.98], "other": [0.999, 0.999]}


@pytest.mark.parametrize(("is_table", "blocks"), [(True, {32, "row"}), (False, {32})])
def test_a_table_may_have_a_scale_a_row(is_table, blocks):
    encoding = Mixed.model_validate({"scheme": "mixed", "target_cosine": 0.999, "block": 32})
    forms = mixed.candidates(SimpleNamespace(is_table=is_table), encoding)
    assert {form.block for form in forms} == blocks
    assert len(forms) == 2 * len(WIDTHS)


@pytest.mark.parametrize("key", ["vit/visual", "vit/textual", "rn/visual", "rn/textual"])
def test_the_file_holds_its_target_on_the_calibration_split(built, key):
    model, tower = key.split("/")
    split = Calibration(built / f"data/calibration/{model}", tower)
    folder = built / f"data/models/{key}"
    embeds = sessions.run(sessions.session(folder / "mixed"), split.batches())
    assert parity.cosine(split.embeds(), embeds).min() >= 0.999
    metadata = graphs.load(folder / "mixed").metadata_props
    widths, target = json.loads(metadata["widths"]), json.loads(metadata["target"])
    assert target["met"] and target["expected"] >= target["cosine"] == 0.999
    assert len(set(widths.values())) > 1
    assert graphs.size(folder / "mixed") < graphs.size(folder / "int8w")


def test_weights_that_give_no_numbers_end_the_search(built, monkeypatch):
    class Tower:
        def embed(self, batches, title):
            return np.full((sum(map(len, batches)), 48), np.nan)

    monkeypatch.setattr(passes, "of_model", lambda *given: Tower())
    model = graphs.load(built / "data/patch/vit/textual/std")
    calibration = Calibration(built / "data/calibration/vit", "textual")
    with pytest.raises(command.Refusal, match="give embeddings that are not finite"):
        mixed.measured(model, {}, calibration)
