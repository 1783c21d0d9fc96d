"""What bench/models.json, ladder.json and targets.json hold, as they are committed."""

import json
import re
from pathlib import Path

import pytest

from bench import records, rungs, table, targets
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from tools.architectures import OFFICIAL

RECORDS = json.loads(table.RECORDS.read_text("utf-8"))
SMALLER = ("vit-b-32", "vit-b-16", "rn50")


@pytest.mark.parametrize("model", OFFICIAL)
def test_every_official_model_was_measured_within_bounds(model):
    """fp32 is as good as equal, and what builds files fits a small machine.

    So does measuring fp32; files of few bits ONNX Runtime decodes as it loads them.
    """
    found = {record["item"]: record for record in RECORDS if record["model"] == model}
    evaluated = [item for item in found if item.endswith(".fp32.evaluate")]
    assert evaluated and all(found[item]["cosine_min"] >= 0.99999 for item in evaluated)
    assert {"download", "reference", "export", "patch"} <= {one["stage"] for one in found.values()}
    most = 2200 if model in SMALLER else 4500
    for item, record in found.items():
        decoded = item.endswith((".int8w.evaluate", ".int4w.evaluate"))
        limit = 1500 if record["stage"] == "export" else 8000 if decoded else most
        assert record["peak_rss_mb"] <= limit, item
        assert record["wall_s"] > 0
        assert record["size_mb"] > 0
        assert record["commit"]


def test_the_tables_are_of_the_records():
    ladder = records.read(rungs.RECORDS)
    assert table.RECORDS.with_suffix(".md").read_text("utf-8") == table.markdown(RECORDS, ladder)


def test_what_docs_say_of_the_largest_models_memory():
    page = " ".join(Path("docs/models.md").read_text("utf-8").split())
    said = "fetching it took (.+) GB of memory, export (.+) GB, patching and encoding (.+) GB"
    peaks = {r["stage"]: r["peak_rss_mb"] for r in RECORDS if r["model"] == "laion-vit-bigg-14"}
    found = peaks["download"], peaks["export"], max(peaks["patch"], peaks["encode"])
    assert re.search(said, page).groups() == tuple(f"{peak / 1000:.1f}" for peak in found)


TARGETS = json.loads(targets.RECORDS.read_text("utf-8"))


@pytest.mark.parametrize("model", targets.MODELS)
def test_profiles_and_products_of_twins_are_as_close_as_the_tiny_ones(model):
    found = {record["item"]: record for record in TARGETS if record["model"] == model}
    grid = params.load().grid
    files = {f"{tower}.{profile}" for tower in TOWERS for profile in grid.profiles}
    for file in files:
        assert found[f"{model}.{file}.evaluate"]["cosine_min"] >= 0.99999
        assert found[f"{model}.{file}.patch"]["size_mb"] > 0
    for file in {f"{product}.fp32" for product in grid.products} | {"preprocess.fp32"}:
        assert found[f"{model}.{file}.evaluate_product"]["cosine_min"] >= 0.99999
        assert found[f"{model}.{file}.compose"]["peak_rss_mb"] <= 6000


@pytest.mark.parametrize("model", targets.MODELS)
def test_std_towers_are_as_fast_as_a_plain_export(model):
    for record in TARGETS:
        if record["model"] == model and record["stage"] == "plain":
            assert record["std_ms"] <= record["plain_ms"], record["item"]


def test_the_tables_of_targets_are_of_the_records():
    assert targets.RECORDS.with_suffix(".md").read_text("utf-8") == targets.markdown(TARGETS)
