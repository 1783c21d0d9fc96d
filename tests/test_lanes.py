"""Which parts of a build run side by side."""

import itertools

import psutil
import pytest
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage.exceptions import StageCmdFailedError
from dvc.utils.serialize import load_yaml

from clip_onnx import command
from tools import jobs, lanes


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many CPUs and so much memory."""

    def of(cpus, free_mb):
        memory = psutil.virtual_memory()._replace(available=free_mb * 1e6)
        monkeypatch.setattr(lanes.psutil, "virtual_memory", lambda: memory)
        monkeypatch.setattr(lanes.os, "cpu_count", lambda: cpus)

    return of


@pytest.fixture
def changed(monkeypatch):
    """Lets these stages be those that DVC would run."""

    def set_to(*names):
        monkeypatch.setattr(lanes, "changed", lambda repo, file: iter(names))
        return lanes.plan(Repo("."))

    return set_to


@pytest.mark.parametrize(
    ("cpus", "free_mb", "expected"), [(2, 9000, 2), (8, 9000, 3), (8, 7000, 2), (2, 3000, 0)]
)
def test_as_many_jobs_at_a_time_as_cpus_and_memory_allow(machine, cpus, free_mb, expected):
    machine(cpus, free_mb)
    planned = [{"memory_mb": mb} for mb in (2048, 4000, 2500)]
    assert lanes.workers(planned) == expected


def test_two_models_that_changed_are_two_lanes(machine, changed):
    machine(2, 9000)
    plan = changed("pins", "encode@tiny-rn-fp16", "evaluate@tiny-vit-fp32", "report")
    shared, planned, _ = jobs.plan()
    assert plan == lanes.Plan(shared, [job["model"] for job in planned], 2)


@pytest.mark.parametrize("names", [["report"], ["encode@tiny-rn-fp16", "bundle@tiny-rn"]])
def test_less_than_two_models_go_in_one_go(machine, changed, names):
    machine(2, 9000)
    assert changed(*names) == lanes.Plan([], [], 1)


def test_two_models_go_in_one_go_where_memory_is_short(machine, changed):
    machine(2, 3000)
    assert not changed("encode@tiny-rn-fp16", "encode@tiny-vit-fp16").models


def test_nothing_that_changed_is_no_plan(changed):
    assert changed() is None


def test_a_lane_holds_a_models_stages_each_after_what_it_depends_on():
    repo = Repo(".")
    stages = lanes.stages_of(repo, "tiny-rn")
    assert {s.addressing for s in stages} == set(jobs.parts(repo)["tiny-rn"])
    place = {stage: number for number, stage in enumerate(stages)}
    for stage in stages:
        for before in repo.index.graph.successors(stage):
            assert place.get(before, -1) < place[stage]


def test_lanes_of_the_foreign_runtimes_leave_the_pipeline_alone(machine, monkeypatch):
    machine(2, 9000)
    file, repo = "runtimes/dvc.yaml", Repo(".")
    names = [f"{file}:openvino@{model}" for model in ("tiny-vit", "tiny-rn")]
    monkeypatch.setattr(lanes, "changed", lambda repo, file: iter(names))
    plan = lanes.plan(repo, file)
    assert sorted(plan.models) == ["tiny-rn", "tiny-vit"]
    assert plan.first == []
    own = [stage.addressing for stage in lanes.stages_of(repo, "tiny-vit", file)]
    assert names[0] in own and all(stage.startswith(file) for stage in own)
    assert own.index(f"{file}:litert-convert@tiny-vit-visual") < own.index(
        f"{file}:litert@tiny-vit"
    )


def test_an_unknown_model_is_refused():
    with pytest.raises(command.Refusal, match="vit-b-33; known: tiny-vit, tiny-rn"):
        lanes.stages_of(Repo("."), "vit-b-33")


def test_another_dvc_at_work_is_one_line(monkeypatch):
    def busy(repo, file):
        raise LockError("data/evalset is busy, it is being blocked by:\n  (PID 1): dvc repro")
        yield

    monkeypatch.setattr(lanes, "changed", busy)
    with pytest.raises(command.Refusal, match="^data/evalset is busy[^\n]*$"):
        lanes.plan(Repo("."))


PIPELINE = """
stages:
  first: {cmd: echo 1 > one, outs: [one]}
  second: {cmd: cp one two, deps: [one], outs: [two]}
  third: {cmd: "false", deps: [two], outs: [three]}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A DVC project of three stages, of which the last fails."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", "utf-8")
    (tmp_path / "dvc.yaml").write_text(PIPELINE, "utf-8")
    return tmp_path


def ordered(repo):
    return sorted(repo.index.stages, key=lambda stage: stage.name)


def test_dvc_lock_is_read_only_while_no_other_lane_writes_it(project, monkeypatch):
    def read(repo, model, file):
        with pytest.raises(LockError), lock_repo(Repo(".")):
            raise AssertionError("another lane could write it now")
        return []

    monkeypatch.setattr(lanes, "stages_of", read)
    monkeypatch.setattr("sys.argv", ["lanes", "m"])
    lanes.main()


def test_what_ran_before_a_failure_is_in_the_lock(project):
    repo = Repo(".")
    with pytest.raises(StageCmdFailedError, match="false, exited with 1"):
        lanes.run(repo, ordered(repo))
    assert set(load_yaml("dvc.lock")["stages"]) == {"first", "second"}
    assert not [stage for stage in ordered(Repo("."))[:2] if changed_in(stage)]


def changed_in(stage):
    with lock_repo(stage.repo):
        return stage.changed()


def test_the_lock_is_written_in_between_too(project, monkeypatch):
    repo, clock, written = Repo("."), itertools.count(0, 40), []
    monkeypatch.setattr(lanes, "write", lambda ran: written.append([s.name for s in ran]))
    lanes.run(repo, ordered(repo)[:2], clock=lambda: next(clock))
    assert written == [["first", "second"], []]
