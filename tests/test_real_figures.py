"""metrics/openai.json: what stays and what changes there, and where pages show it."""

import json
import shutil
import sys

import pytest

from clip_onnx import command
from clip_onnx.settings import params
from tools import docs, real_figures

NOISE = params.load().noise


def entry(sha256="1", commit="a", **changed):
    figures = {"size_mb": 2.0, "cosine_min": 0.999, "snr_db": 40.0, "inputs": 77} | changed
    figures = {"visual": {"int8w": figures | {"accuracy": 0.5}}, "textual": {"int8w": figures}}
    answers = {"noise": {"agrees": True, "largest_difference": 1e-5}}
    return {"sha256": sha256, "commit": commit, "figures": figures, "known_answers": answers}


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The file in which entries are noted, not there yet."""
    monkeypatch.setattr(real_figures, "FILE", tmp_path / "openai.json")
    return tmp_path / "openai.json"


def test_an_entry_has_the_towers_figures_of_the_grids_encodings():
    file = {"size_mb": 1.0, "cosine_min": 1.0, "cosine_mean": 1.0, "snr_db": 9.0, "inputs": 7}
    graphs = {
        "visual": {"fp32": file | {"accuracy": 0.5}, "npu": file, "pytorch": {"cosine_min": 1.0}},
        "textual": {"fp32": file},
        "known_answers": {"cats": {"agrees": False}},
    }
    found = real_figures.entry(graphs, ["fp32", "int8-static"], "1", "a")
    kept = {"size_mb": 1.0, "cosine_min": 1.0, "snr_db": 9.0, "inputs": 7}
    assert found == {
        "sha256": "1",
        "commit": "a",
        "figures": {"visual": {"fp32": kept | {"accuracy": 0.5}}, "textual": {"fp32": kept}},
        "known_answers": {"cats": {"agrees": False}},
    }


def test_other_models_stay(noted):
    real_figures.merge("rn50", entry(), NOISE)
    real_figures.merge("vit-b-32", entry("2"), NOISE)
    assert json.loads(noted.read_text("utf-8")) == {"rn50": entry(), "vit-b-32": entry("2")}


@pytest.mark.parametrize(
    ("new", "stays"),
    [
        (entry(commit="b"), True),
        (entry(commit="b", cosine_min=0.999001, snr_db=40.1), True),
        (entry(commit="b", snr_db=41.0), False),
        (entry(commit="b", size_mb=2.1), False),
        (entry(commit="b", cosine_min=None), False),
        (entry("2", commit="b"), False),
        (entry(commit="b") | {"known_answers": {}}, False),
        (entry(commit="b") | {"known_answers": {"noise": {"agrees": False}}}, False),
    ],
)
def test_an_entry_stays_while_its_figures_move_by_noise(noted, new, stays):
    real_figures.merge("rn50", entry(), NOISE)
    assert real_figures.merge("rn50", new, NOISE) == (entry() if stays else new)
    assert real_figures.read() == {"rn50": entry() if stays else new}


def test_what_is_no_number_is_not_written(noted):
    real_figures.merge("rn50", entry(), NOISE)
    before = noted.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        real_figures.merge("rn50", entry(snr_db=float("nan")), NOISE)
    assert noted.read_bytes() == before


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n{}", "[]"])
def test_a_file_that_a_merge_tore_is_refused(noted, text):
    noted.write_text(text, "utf-8")
    with pytest.raises(command.Refusal, match=r"openai\.json is no JSON object: git restore"):
        real_figures.merge("rn50", entry(), NOISE)
    assert noted.read_text("utf-8") == text


def shown(tmp_path, monkeypatch):
    """README and docs/results.md as `make docs` leaves them."""
    pages = [tmp_path / page.name for page in docs.PAGES]
    for page, copy in zip(docs.PAGES, pages, strict=True):
        shutil.copyfile(page, copy)
    with monkeypatch.context() as patch:
        patch.setattr(docs, "PAGES", pages)
        patch.setattr(sys, "argv", ["docs"])
        docs.main()
    return [(tmp_path / name).read_text("utf-8") for name in ("README.md", "results.md")]


def test_pages_show_openais_figures_first_once_they_are_there(noted, tmp_path, monkeypatch):
    readme, results = shown(tmp_path, monkeypatch)
    for page, first in ((readme, "<!-- encodings -->"), (results, "<!-- results -->")):
        assert page.count(real_figures.NOT_YET) == 1
        assert page.index(real_figures.NOT_YET) < page.index(first)
    real_figures.merge("rn50", entry(), NOISE)
    real_figures.merge("vit-b-32", entry("2", cosine_min=None), NOISE)
    readme, results = shown(tmp_path, monkeypatch)
    assert real_figures.NOT_YET not in readme + results
    assert "| `int8w`    | 4.00 |                |" in readme
    assert "Both towers of OpenAI's `vit-b-32`." in readme
    found = results[: results.index("<!-- results -->")]
    assert "| rn50     | `int8w`    | 4.00 | 0.9990000 " in found
    assert found.index("| rn50 ") < found.index("| vit-b-32 ")
    assert "measured: `rn50` 1 of 1 (a), `vit-b-32` 1 of 1 (a)." in found
