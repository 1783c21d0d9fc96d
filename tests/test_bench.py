"""The benchmark's own code on a small model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from bench import models, table
from clip_onnx import command
from clip_onnx.measure import inputs
from clip_onnx.settings import params

import small


@pytest.fixture
def bench(tmp_path, archives, monkeypatch):
    """build/bench in a temporary project, with a server that offers the small `vit`."""
    small.set_up(tmp_path, small.params(archives))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    models.FOLDER.mkdir(parents=True)
    return models.workspace("vit", archives["vit"], models.serve(archives["vit"].parent))


def test_the_commands_are_dvcs_up_to_the_evaluations(bench):
    lines = models.commands(bench, models.EVALUATIONS)
    names = [models.item(line) for line in lines[2:]]
    assert [line[2] for line in lines[:2]] == ["stages.pins", "stages.evalset"]
    assert len(names) == len(set(names)) == 12
    of_model = ("download", "reference", "calibrate", "export", "patch", "sensitivity")
    assert {f"vit.{stage}" for stage in of_model} <= {*names}
    for encoding in ("fp32", "int8w", "int4w"):
        assert {f"vit.{encoding}.encode", f"vit.{encoding}.evaluate"} <= {*names}


def test_a_model_too_large_for_all_is_measured_on_a_few_inputs(bench):
    content = yaml.safe_load((bench / "params.yaml").read_text("utf-8"))
    content["grid"] |= models.FEW
    small.write_params(bench, content)
    records = []
    models.run_few("vit", bench, records)
    stages = ["download", "export", "patch", "encode", "evaluate"]
    assert [record["stage"] for record in records] == stages
    assert records[-1]["item"] == "vit.fp32.evaluate"
    assert records[-1]["cosine_min"] > 0.999999
    assert records[-1]["pictures"] == records[-1]["captions"] == 2


def test_a_few_inputs_do_not_replace_all(monkeypatch, tmp_path):
    monkeypatch.setattr(table, "RECORDS", tmp_path / "models.json")
    records = [{"model": "rn50", "stage": "reference"}, {"model": "vit-b-32", "stage": "evaluate"}]
    table.RECORDS.write_text(json.dumps(records), "utf-8")
    models.check_few(["vit-b-32"])
    with pytest.raises(command.Refusal, match="has rn50 measured on all inputs: leave out --few"):
        models.check_few(["vit-b-32", "rn50"])


def test_a_model_is_measured_on_the_pipelines_own_inputs(bench):
    own, content = (
        yaml.safe_load((folder / "params.yaml").read_text("utf-8")) for folder in (Path(), bench)
    )
    assert content["evalset"] == own["evalset"]
    assert content["inputs"] == own["inputs"]
    params.load(bench / "params.yaml")


def test_what_params_yaml_says_of_a_models_inputs_is_kept(bench, archives):
    content = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    content["models"]["vit"]["inputs"] = {"pictures": 3}
    small.write_params(Path(), content)
    models.workspace("vit", archives["vit"], "http://x", evalset={"crops": 0})
    settings = params.load(bench / "params.yaml")
    assert settings.models["vit"].inputs.pictures == 3
    assert settings.models["vit"].source == "http://x/vit.pt"
    assert settings.evalset.crops == 0


def sizes(folder):
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 3)


@pytest.mark.parametrize("stage", ["reference", "calibrate"])
def test_a_record_says_how_many_inputs_there_were_and_what_all_files_weigh(built, stage):
    folder = built / "data" / {"calibrate": "calibration"}.get(stage, stage) / "vit"
    found = models.result(stage, [folder])
    assert found["pictures"] == len(np.load(folder / inputs.PIXELS_FILE))
    assert found["size_mb"] == sizes(folder) > 1
    texts = inputs.captions(built / "data/evalset")
    split = inputs.EVALUATION if stage == "reference" else inputs.CALIBRATION
    assert found["captions"] == len(texts[split])
    if stage == "reference":
        assert found["pictures"] == len(inputs.index(folder))


def test_an_evaluations_record_has_its_files_size_and_inputs(tmp_path):
    files = []
    for tower, cosine, count in (("visual", 0.9, 7), ("textual", 0.8, 9)):
        metrics = {"cosine_min": cosine, "size_mb": 2.5, "inputs": count, "snr_db": 1.0}
        files.append(tmp_path / f"vit.{tower}.int8w.json")
        files[-1].write_text(json.dumps({"metrics": metrics}), "utf-8")
    both = {"cosine_min": 0.8, "size_mb": 5.0, "pictures": 7, "captions": 9}
    assert models.result("evaluate", files) == both
    assert models.result("evaluate", files[:1])["captions"] is None


def line(model, stage, wall, peak, size=1000.0, cosine=None, **counts):
    item = f"{model}.visual.fp32.evaluate" if stage == "evaluate" else f"{model}.{stage}"
    record = {"item": item, "model": model, "stage": stage, "wall_s": wall, "peak_rss_mb": peak}
    return record | {"cosine_min": cosine, "size_mb": size} | counts | {"commit": "abc"}


def cells(text):
    """{model: {column: cell}} of a Markdown table."""
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
    header = rows[0]
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows[2:]}


def test_the_summary_has_calibrate_and_is_blank_where_a_record_lacks_it():
    records = [
        line("old", "download", 1.0, 300),
        line("old", "evaluate", 2.0, 400, cosine=1.0),
        line("new", "download", 1.0, 300),
        line("new", "calibrate", 61.0, 2600, 3400.0, pictures=24, captions=9),
        line("new", "evaluate", 2.0, 400, cosine=0.99, pictures=5, captions=None),
    ]
    found = cells(table.summary(records))
    assert found["new"]["calibrate s"] == "61"
    assert found["new"]["calibrate memory GB"] == "2.6"
    assert found["new"]["calibrate disk GB"] == "3.40"
    assert found["new"]["disk GB"] == "4.4"
    assert found["new"]["memory GB"] == "2.6 (calibrate)"
    assert found["new"]["fp32 worst cosine"] == "0.9900000"
    old = found["old"]
    assert [old[name] for name in old if name.startswith("calibrate")] == ["", "", ""]
    assert (old["disk GB"], old["evaluate s"]) == ("1.0", "2")
    found = cells(table.processes(records))
    assert (found["new.calibrate"]["pictures"], found["new.calibrate"]["captions"]) == ("24", "9")
    assert found["new.visual.fp32.evaluate"]["captions"] == ""
    assert found["old.download"]["pictures"] == ""


def test_finished_stages_are_recorded_and_not_run_again(bench, monkeypatch):
    few = models.commands(bench, models.EVALUATIONS)[:3]
    monkeypatch.setattr(models, "commands", lambda *_: few)
    found, runs = [], []
    measured = models.measured
    monkeypatch.setattr(models, "measured", lambda *a: runs.append(a[0]) or measured(*a))
    models.run_stages("vit", bench, found)
    assert [line[2] for line in runs] == ["stages.pins", "stages.evalset", "stages.download"]
    (record,) = json.loads(models.PROGRESS.read_text("utf-8"))
    assert record == found[0]
    assert record["item"] == "vit.download"
    assert record["wall_s"] > 0
    assert record["peak_rss_mb"] > 100
    assert record["size_mb"] == pytest.approx(31, abs=1)
    models.run_stages("vit", bench, found)
    assert len(runs) == 3
    assert len(found) == 1


def test_a_failing_stage_names_its_log(bench, monkeypatch):
    broken = [sys.executable, "-m", "stages.download", "nothing", "a", "b"]
    monkeypatch.setattr(models, "commands", lambda *_: [broken])
    with pytest.raises(command.Refusal, match=r"stages\.download nothing .* failed: .*log\.txt"):
        models.run_stages("vit", bench, [])
    assert "no models.nothing" in (bench / "log.txt").read_text("utf-8")


def test_memory_is_the_peak_of_the_process(tmp_path):
    """From a process as small as the benchmark's: a child starts with its parent's peak."""
    program = """
import sys
from bench.models import measured
for work in ("b'x' * 500_000_000", "1"):
    print(measured([sys.executable, "-c", work], ".", "log").peak_mb)
"""
    environment = {**os.environ, "PYTHONPATH": str(small.ROOT)}
    arguments = [sys.executable, "-c", program]
    printed = subprocess.run(
        arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    much, little = map(float, printed.split())
    assert 500 <= much <= 600
    assert little <= 150


def test_the_seconds_of_all_threads_count(tmp_path):
    line = [sys.executable, "-c", "sum(range(10_000_000))"]
    cost = models.measured(line, tmp_path, tmp_path / "log")
    assert 0.05 < cost.cpu_s < 1.2 * cost.wall_s
