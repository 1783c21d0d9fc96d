"""The bench of strangers: what makes them, and the tables of what was measured."""

import numpy as np
import pytest

from bench import comparison, stranger_models, strangers
from bench.records import read
from clip_onnx import command
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.settings import params

import small


def record(by, model, encoding, size, cosine, snr):
    place = {"by": by, "model": model, "tower": "visual", "encoding": encoding}
    metrics = {"size_mb": size, "cosine_min": cosine, "cosine_mean": cosine, "snr_db": snr}
    return place | metrics | {"synthetic": False, "commit": "abc"}


RECORDS = [
    *(record("ours", model, "fp32", 4.0, 1.0, 100.0) for model in "abc"),
    record("ours", "a", "int4w", 0.5, 0.99, 30.0),
    record("ours", "b", "int4w", 0.6, 0.97, 22.0),
    record("ours", "c", "int4w", 0.4, 0.98, 26.0),
    record("peer", "a", "q4", 0.5, 0.95, 20.0),
    record("peer", "b", "q4", 0.6, 0.98, 24.0),
    record("peer", "c", "q4", 0.5, None, None),
]


def row(text, *cells):
    """The cells of the table's row that has all of some."""
    lines = [line for line in text.splitlines() if all(f" {cell} " in line for cell in cells)]
    (line,) = lines
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_an_encoding_has_the_middle_stranger_and_the_lowest():
    found = row(strangers.overview(RECORDS), "ours", "int4w")
    assert found[3:] == ["3", "0.125×", "0.9800000", "0.9700000", "b", "26.0", "22.0"]


def test_a_peer_without_numbers_is_not_in_the_middle_but_beaten():
    assert row(strangers.overview(RECORDS), "peer", "q4")[3] == "2"
    assert row(strangers.against_peers(RECORDS), "q4")[2:] == ["2 of 3", "b"]


def test_the_page_has_every_stranger():
    text = strangers.markdown(RECORDS)
    assert row(text, "c", "visual", "0.980000")
    assert "at commit abc" in text


def test_floors_are_of_the_lowest_stranger():
    found = strangers.floors(RECORDS)["visual"]
    assert found["int4w"] == {"cosine_min": 0.94, "snr_db": 19.0}
    assert found["fp32"] == {"cosine_min": 0.999999, "snr_db": 100.0}
    odd = strangers.floors([record("ours", "a", "int6w", 1, 0.9991234, 31.7)])["visual"]
    assert odd["int6w"] == {"cosine_min": 0.9982, "snr_db": 28.5}
    made = strangers.floors([record("ours", "a", "mixed", 1, 0.9999, 41.0)])["visual"]
    assert made["mixed"]["cosine_min"] == params.load().encodings["mixed"].target_cosine.visual


def test_records_of_a_stranger_replace_its_earlier_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(strangers, "RECORDS", tmp_path / "strangers.json")
    monkeypatch.setattr(strangers, "RECIPES", dict.fromkeys("abc"))
    strangers.publish([one for one in RECORDS if one["model"] == "b"])
    strangers.publish([one for one in RECORDS if one["model"] == "a"])
    changed = record("ours", "b", "fp32", 3.0, 1.0, 100.0)
    strangers.publish([changed])
    found = read(tmp_path / "strangers.json")
    assert [one["model"] for one in found] == ["a", "a", "a", "b"]
    assert found[-1] == changed
    assert (tmp_path / "strangers.md").exists()


@pytest.mark.parametrize("half", [True, False])
def test_a_strangers_checkpoint_is_one_that_download_takes(tmp_path, monkeypatch, half):
    recipe = stranger_models.Recipe(small.KINDS["vit"], seed=1, outliers=True, tails=0.5, half=half)
    monkeypatch.setitem(stranger_models.RECIPES, "x", recipe)
    path = tmp_path / f"x{recipe.suffix}"
    stranger_models.write("x", path)
    content = small.params({"x": path})
    if not half:
        content["models"]["x"]["activation"] = "quick_gelu"
    small.write_params(tmp_path, content)
    monkeypatch.chdir(tmp_path)
    small.run_stage("download", "x", "downloads", "checkpoint")
    shapes = weights.shapes(tmp_path / "checkpoint")
    assert architecture.read(shapes) == small.KINDS["vit"]
    stored = weights.read(tmp_path / "checkpoint", "visual.proj").dtype
    assert stored == (np.float16 if half else np.float32)


def test_a_stranger_that_there_is_not_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["strangers", "vit-q"])
    with pytest.raises(command.Refusal, match="vit-q is no stranger, take one of vit-barely"):
        strangers.main()


def test_the_strangers_are_of_shapes_of_their_own():
    shapes = {recipe.architecture for recipe in stranger_models.RECIPES.values()}
    assert len(shapes) == len(stranger_models.RECIPES) == 8
    assert not {*stranger_models.RECIPES} & {*params.load().models}
    assert comparison.dominated([]) == {}
