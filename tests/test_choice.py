import itertools

import numpy as np
import pytest

from clip_onnx import command, graphs
from clip_onnx.settings import encodings
from clip_onnx.settings.encodings import Form
from stages.encode import choice as choosing
from stages.encode import weight_only
from stages.encode.sensitivity import Sensitivity

import small

WIDE = 32  # a block
FORM = Form(bits=5, block=WIDE)


@pytest.fixture
def weights(built, monkeypatch):
    """The weights of the small ViT's visual tower."""
    monkeypatch.chdir(built)
    return list(weight_only.weights(graphs.load(built / "data/models/vit/visual/fp32")))


@pytest.fixture
def meaning(weights):
    return Sensitivity(small.sensitivity("vit"), "visual")


@pytest.fixture
def choice(weights, meaning):
    return of_any_width(weights, meaning)


def of_any_width(weights, meaning):
    return choosing.Choice(dict.fromkeys(weights, choosing.widths(None, FORM)), meaning)


def every(choice):
    """(error, bytes) of every choice there is."""
    rows = np.arange(len(choice.bytes))
    for columns in itertools.product(range(choice.bytes.shape[1]), repeat=len(rows)):
        yield choice.errors[rows, columns].sum(), choice.bytes[rows, columns].sum()


def cost(choice, forms):
    columns = [choosing.WIDTHS.index(form.bits) for form in forms.values()]
    return choice.errors[np.arange(len(columns)), columns].sum()


def test_the_choice_is_the_smallest_that_keeps_the_budget(weights, meaning):
    few = of_any_width(weights[:4], meaning)
    for budget in (few.errors.min(1).sum() * factor for factor in (1.01, 3, 20, 100)):
        least = min(size for error, size in every(few) if error <= budget)
        assert few.size(few.within(budget)) == int(least)


def test_the_choice_has_the_least_error_of_its_size(weights, meaning):
    forms, few = dict.fromkeys(weights[:4], FORM), of_any_width(weights[:4], meaning)
    size = few.size(forms)
    found = few.of_size(size)
    assert few.size(found) <= size
    least = min(error for error, taken in every(few) if taken <= size)
    assert cost(few, found) == pytest.approx(least, rel=1e-6)
    assert cost(few, found) < cost(few, forms)


def test_a_budget_that_nothing_keeps_gets_the_most_exact(choice):
    assert {form.bits for form in choice.within(1e-30).values()} == {16}


def test_more_error_buys_fewer_bytes(choice):
    sizes = [choice.size(choice.within(budget)) for budget in (1e-6, 1e-5, 1e-4, 1e-3, 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert {form.bits for form in choice.within(1e3).values()} == {3}


def test_a_table_of_another_tower_is_refused(built, choice, meaning):
    other = list(weight_only.weights(graphs.load(built / "data/models/vit/textual/fp32")))
    with pytest.raises(command.Refusal, match="lacks token_embedding.weight: rerun `sensitivity`"):
        of_any_width(other, meaning)


def test_bits_are_spread_within_their_bytes_but_not_what_is_named(weights, meaning):
    named = weights[2].value.name
    encoding = encodings.WeightOnly(scheme="weight_only", bits=5, block=WIDE, tensors={named: 7})
    forms = weight_only.formed(weights, encoding, meaning)
    uniform = weight_only.formed(weights, encoding)
    size = sum(choosing.stored(w, form) for w, form in uniform.items())
    assert sum(choosing.stored(w, form) for w, form in forms.items()) <= size
    assert forms[weights[2]].bits == 7
    assert len({form.bits for form in forms.values()}) > 2
    assert {form.block for form in forms.values()} == {WIDE}


def test_blocks_are_chosen_too_where_they_are_candidates(weights, meaning):
    """Of forms of one width those of long blocks take the fewest bytes, and make most error."""
    forms = [Form(bits=4, block=block) for block in (16, 32)]
    few = choosing.Choice(dict.fromkeys(weights[:4], forms), meaning)
    between = (few.size(dict.fromkeys(weights[:4], f)) for f in forms)
    found = few.of_size(sum(between) / 2)
    assert {form.block for form in found.values()} == {16, 32}
    assert (few.errors[:, 0] < few.errors[:, 1]).all()
