"""The plan of `make fanout`, from DVC's graph; Ray is not needed for it."""

import json
import subprocess
import sys

import networkx
import pytest
from dvc.repo import Repo

from bench import table
from clip_onnx import command
from clip_onnx.settings import params
from tools import architectures, fanout, jobs

import small


@pytest.fixture(scope="module")
def planned():
    """({model: job}, the plan's other two parts) for params.yaml as it ships."""
    shared, listed, uncached = jobs.plan()
    return {job["model"]: job for job in listed}, shared, uncached


@pytest.fixture(scope="module")
def graph():
    return networkx.relabel_nodes(Repo(".").index.graph, lambda stage: stage.addressing)


def reached(graph, targets):
    """The stages that `dvc repro` looks at for some targets."""
    return {*targets, *(stage for t in targets for stage in networkx.descendants(graph, t))}


def of_pipeline(graph):
    return {stage for stage in graph if ":" not in stage}


def test_all_jobs_together_reach_everything_but_the_report(planned, graph):
    by_model, shared, uncached = planned
    targets = [t for job in by_model.values() for t in job["targets"].split()]
    assert of_pipeline(graph) - reached(graph, targets) == {"report"}
    assert {"pins", "report"} <= uncached
    assert reached(graph, shared) == {"pins", "evalset"}


def test_two_jobs_have_nothing_in_common_but_what_is_shared(planned, graph):
    by_model, shared, _ = planned
    parts = [reached(graph, job["targets"].split()) for job in by_model.values()]
    assert list(by_model) == params.load().grid.models
    assert parts[0] & parts[1] == reached(graph, shared)


def test_a_model_is_known_by_its_matrix_and_not_by_its_name(tmp_path, monkeypatch, archives):
    content = small.params({"rn": archives["rn"]})
    content["models"]["rn-fp32"] = content["models"]["rn"]
    content["grid"] |= {"models": ["rn", "rn-fp32"], "resnets": ["rn-fp32"]}
    small.set_up(tmp_path, content)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    found = jobs.parts(Repo("."))
    assert {"export@rn", "evaluate@rn-fp32"} <= set(found["rn"])
    assert {"bundle@rn-fp32", "evaluate@rn-fp32-fp32"} <= set(found["rn-fp32"])
    assert "encode-resnets@rn-fp32-int8-static" in found["rn-fp32"]
    assert not set(found["rn"]) & set(found["rn-fp32"])


def test_memory_and_cpus_are_measured_or_stated(planned):
    peaks = jobs.memory_needs()
    records = json.loads(table.RECORDS.read_text("utf-8"))
    of_rn50x64 = [r["peak_rss_mb"] for r in records if r["model"] == "rn50x64"]
    assert peaks["rn50x64"] == round(1.25 * max(of_rn50x64))
    assert peaks.keys() >= architectures.OFFICIAL.keys()
    by_model, _, _ = planned
    job = by_model["tiny-vit"]
    assert (job["memory_mb"], job["cpus"]) == (2048, 1)


def test_the_matrix_for_github_is_the_same_plan_and_needs_no_ray(planned):
    program = "import sys; sys.modules['ray'] = None; from tools import fanout; fanout.main()"
    line = [sys.executable, "-c", program, "plan", "--format", "github"]
    printed = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    by_model, _, _ = planned
    assert json.loads(printed) == {"include": list(by_model.values())}


def test_an_unknown_model_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["fanout", "model", "vit-b-33"])
    with pytest.raises(command.Refusal, match=r"vit-b-33; known: tiny-vit, tiny-rn"):
        fanout.main()
