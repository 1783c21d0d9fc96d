"""Inputs far outside the calibration split: what they are, and what is refused."""

import numpy as np
import pytest

from bench import outside
from clip_onnx import command
from clip_onnx.host import tokens
from clip_onnx.settings import params

import small


@pytest.mark.parametrize("kind", outside.KINDS["visual"])
def test_pictures_are_of_bytes_and_all_different(kind):
    made = kind(np.random.default_rng(0), 32)
    assert all(picture.shape == (32, 32, 3) and picture.dtype == np.uint8 for picture in made)
    assert len({picture.tobytes() for picture in made}) == len(made)


@pytest.mark.parametrize("kind", outside.KINDS["textual"])
def test_rows_fit_with_their_start_and_end(kind):
    rows = kind(np.random.default_rng(0), 32)
    assert all(1 <= len(row) <= tokens.CONTEXT - 2 for row in rows)
    assert all(0 <= token < tokens.START_ID for row in rows for token in row)


def test_every_encoding_of_a_built_model_is_measured(built, monkeypatch):
    monkeypatch.chdir(built)
    found = list(outside.measured("vit", params.load()))
    files = {(one["tower"], one["encoding"]) for one in found}
    grid = params.load().grid
    assert files == {(tower, e) for tower in outside.KINDS for e in grid.variants("vit", tower)}
    exact = [one for one in found if one["encoding"] == "fp32"]
    assert len(exact) == 5 and all(one["cosine_min"] > 0.999999 for one in exact)
    text = outside.markdown(found)
    assert "| vit     | int4w" in text and "random tokens" in text


def test_a_model_that_is_not_built_is_named(monkeypatch):
    monkeypatch.chdir(small.ROOT)
    monkeypatch.setattr("sys.argv", ["outside", "rn50x64"])
    with pytest.raises(command.Refusal, match="rn50x64 is not built: add it to grid.models"):
        outside.main()
