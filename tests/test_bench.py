"""The benchmark's own code on a small model, and the records that stand in the repository."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from bench import models, table, targets
from stages import command, params

import small


@pytest.fixture
def bench(tmp_path, archives, monkeypatch):
    """build/bench in a temporary project, with a server that offers the small `vit`."""
    small.set_up(tmp_path, small.params(archives))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    monkeypatch.chdir(tmp_path)
    models.FOLDER.mkdir(parents=True)
    return models.workspace("vit", archives["vit"], models.serve(archives["vit"].parent))


def test_the_commands_are_dvcs_up_to_the_evaluations(bench):
    lines = models.commands(bench, models.EVALUATIONS)
    names = [models.item(line[2].removeprefix("stages."), line[-1]) for line in lines[2:]]
    assert [line[2] for line in lines[:2]] == ["stages.pins", "stages.evalset"]
    assert len(names) == len(set(names)) == 19
    assert {"download", "reference", "calibrate", "visual.export", "textual.patch"} <= {
        name.removeprefix("vit.") for name in names
    }
    for tower in ("visual", "textual"):
        for encoding in ("fp32", "fp16w", "int8w"):
            assert f"vit.{tower}.{encoding}.evaluate" in names


def test_a_whole_batch_of_pictures_is_measured(bench):
    content = yaml.safe_load((bench / "params.yaml").read_text())
    header, *rows = (bench / content["evalset"]["images"]).read_text().split()
    evaluated = [row for row in rows if row.endswith("evaluation")]
    assert len(evaluated) < len(rows)
    assert len(evaluated) * (1 + content["evalset"]["crops"]) >= 16
    params.load(bench / "params.yaml")


def test_finished_stages_are_recorded_and_not_run_again(bench, monkeypatch):
    few = models.commands(bench, models.EVALUATIONS)[:3]
    monkeypatch.setattr(models, "commands", lambda *_: few)
    records, runs = [], []
    measured = models.measured
    monkeypatch.setattr(models, "measured", lambda *a: runs.append(a[0]) or measured(*a))
    models.run_stages("vit", bench, records)
    assert [line[2] for line in runs] == ["stages.pins", "stages.evalset", "stages.download"]
    (record,) = json.loads(models.PROGRESS.read_text())
    assert record == records[0]
    assert record["item"] == "vit.download"
    assert record["wall_s"] > 0
    assert record["peak_rss_mb"] > 100
    assert record["size_mb"] == pytest.approx(31, abs=1)
    models.run_stages("vit", bench, records)
    assert len(runs) == 3
    assert len(records) == 1


def test_a_failing_stage_names_its_log(bench, monkeypatch):
    broken = [sys.executable, "-m", "stages.download", "nothing", "a", "b"]
    monkeypatch.setattr(models, "commands", lambda *_: [broken])
    with pytest.raises(command.Refusal, match=r"stages\.download nothing .* failed: .*log\.txt"):
        models.run_stages("vit", bench, [])
    assert "no models.nothing" in (bench / "log.txt").read_text()


def test_memory_is_the_peak_of_the_process(tmp_path):
    """From a process as small as the benchmark's: a child starts with its parent's peak."""
    program = """
import sys
from bench.models import measured
for work in ("b'x' * 500_000_000", "1"):
    print(measured([sys.executable, "-c", work], ".", "log")[1])
"""
    environment = {**os.environ, "PYTHONPATH": str(small.ROOT)}
    arguments = [sys.executable, "-c", program]
    printed = subprocess.run(
        arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    much, little = map(float, printed.split())
    assert 500 <= much <= 600
    assert little <= 150


RECORDS = json.loads(table.RECORDS.read_text())
OFFICIAL = [name for name, model in params.load().models.items() if model.remote]
SMALLER = ("vit-b-32", "vit-b-16", "rn50")


@pytest.mark.parametrize("model", OFFICIAL)
def test_every_official_model_was_measured_within_bounds(model):
    """fp32 is as good as equal, and every stage fits a small machine."""
    found = {record["item"]: record for record in RECORDS if record["model"] == model}
    assert len(found) == 18
    for tower in ("visual", "textual"):
        assert found[f"{model}.{tower}.fp32.evaluate"]["cosine_min"] >= 0.99999
        assert found[f"{model}.{tower}.export"]["peak_rss_mb"] <= 1300
    most = 2200 if model in SMALLER else 4500
    for item, record in found.items():
        assert record["peak_rss_mb"] <= most, item
        assert record["wall_s"] > 0
        assert record["size_mb"] > 0
        assert record["commit"]


def test_the_tables_are_of_the_records():
    assert table.RECORDS.with_suffix(".md").read_text() == table.markdown(RECORDS)


TARGETS = json.loads(targets.RECORDS.read_text())


@pytest.mark.parametrize("model", targets.MODELS)
def test_profiles_and_products_of_twins_are_as_close_as_the_tiny_ones(model):
    found = {record["item"]: record for record in TARGETS if record["model"] == model}
    grid = params.load().grid
    files = {f"{tower}.{profile}" for tower in params.TOWERS for profile in grid.profiles}
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
    assert targets.RECORDS.with_suffix(".md").read_text() == targets.markdown(TARGETS)
