import re
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from clip_onnx import command
from tools import build, lanes

import small

REPRO = """'data/tiny/x.pt.dvc' didn't change, skipping
Stage 'pins' didn't change, skipping
Running stage 'download@vit':
> python -m stages.download vit
Updating lock file 'dvc.lock'

Stage 'reference@vit' is cached - skipping run, checking out outputs
Running stage 'encode@vit-int8w':
> python -m stages.encode int8w
"""
NINE = {"pins", "download@vit", "download@rn", "reference@vit", "encode@vit-int8w", *"abcd"}


def test_a_line_a_stage_that_ran_says_its_place_and_its_seconds():
    said, ticks = [], iter([0.0, 4.2, 10.0, 13.0])
    progress = build.Progress(NINE, clock=lambda: next(ticks), write=said.append)
    see = progress.lane()
    for line in REPRO.splitlines():
        see(line)
    assert said == ["[2/9] download vit  4 s"]
    see(None)
    assert said[1:] == ["[4/9] encode vit-int8w  3 s"]


def test_a_stage_that_two_lanes_pass_counts_once():
    said, ticks = [], iter([0.0, 1.0, 2.0, 5.0])
    progress = build.Progress(NINE, clock=lambda: next(ticks), write=said.append)
    one, other = progress.lane(), progress.lane()
    for see in (one, other):
        see("Stage 'pins' didn't change, skipping")
    one("Running stage 'download@vit':")
    other("Running stage 'download@rn':")
    one(None)
    other(None)
    assert said == ["[2/9] download vit  2 s", "[3/9] download rn  4 s"]


@pytest.mark.parametrize("worst", [0.98, None])
def test_the_summary_has_two_lines_a_model_that_fit_a_terminal(worst):
    files = {
        "pytorch": {"cosine_min": 1.0},
        "fp32": {"cosine_min": 1.0, "size_mb": 1681.2},
        "int4w": {"cosine_min": worst, "size_mb": 212.34},
    }
    answers = {"a": {"agrees": True}, "b": {"agrees": False}}
    parity = {"vit-l-14-336": {"visual": files, "textual": files, "known_answers": answers}}
    lines = list(build.summary(parity, "data/bundles/vit-l-14-336"))
    assert len(lines) == 2 + 1 + 3
    assert lines[2] == "known answers: 1 of 2"
    assert "2 files, 212.34 to 1681.20 MB, worst" in lines[0] and f"{worst} int4w" in lines[0]
    assert all(len(line) <= build.COLUMNS for line in lines)


def test_a_program_in_another_folder_is_logged_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    build.LOG.parent.mkdir()
    line, said = [sys.executable, "-c", "import os; print(os.path.basename(os.getcwd()))"], []
    status, last = build.logged(line, said.append, folder="other")
    assert (status, said, list(last)) == (0, ["other\n"], ["other"])
    assert build.LOG.read_text("utf-8") == "other\n"


FULL = """
import sys
print("Running stage 'pins':", flush=True)
print("ERROR: failed to transfer 'md5: 0123'", file=sys.stderr)
"""
TWO = lanes.Plan(["evalset"], ["vit", "rn"], 2)
ONE = lanes.Plan([], [], 1)


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    """Lets `repro` run a program instead of its own, by a plan. Returns what these were asked."""
    monkeypatch.setattr(build, "LOG", tmp_path / "make.log")
    asked = []

    def pretend(program, plan=ONE):
        real = build.logged

        def logged(line, *given):
            asked.append(line[2:])  # after python -m
            return real([sys.executable, "-c", program, *asked[-1]], *given)

        monkeypatch.setattr(build, "logged", logged)
        monkeypatch.setattr(lanes, "plan", lambda repo, file: plan)
        return asked

    return pretend


def test_an_output_that_the_cache_cannot_take_is_a_failure(pretended):
    pretended(FULL)
    with pytest.raises(command.Refusal, match="cache could not take an output, .*dvc commit"):
        build.repro([])
    assert "md5: 0123" in build.LOG.read_text("utf-8")


def test_a_stage_that_fails_shows_what_it_said_last(pretended, capsys):
    pretended("import sys; print('no such thing'); sys.exit(3)")
    with pytest.raises(command.Refusal, match="a stage failed: .*make.log"):
        build.repro([])
    assert "no such thing" in capsys.readouterr().err


def test_models_are_built_after_what_they_share_and_before_what_gathers(pretended):
    asked = pretended("", TWO)
    build.repro([])
    assert asked[0] == ["dvc", "repro", "evalset"] and asked[-1] == ["dvc", "repro"]
    assert sorted(asked[1:-1]) == [["tools.lanes", "rn"], ["tools.lanes", "vit"]]


def test_stages_of_another_file_are_not_counted():
    said, ticks = [], iter([0.0, 5.0])
    see = build.Progress(
        {"runtimes/dvc.yaml:openvino@vit"}, lambda: next(ticks), said.append
    ).lane()
    see("Stage 'pins' didn't change, skipping")
    see("Running stage 'runtimes/dvc.yaml:openvino@vit':")
    see(None)
    assert said == ["[1/1] openvino vit  5 s"]


def test_foreign_runtimes_are_run_side_by_side_once_the_pipeline_is_built(pretended, monkeypatch):
    asked = pretended("", TWO)
    alone = TWO._replace(first=[])
    monkeypatch.setattr(lanes, "plan", lambda repo, file: alone if file == build.RUNTIMES else TWO)
    monkeypatch.setattr("sys.argv", ["build", "--runtimes"])
    build.main()
    pipeline, runtimes = asked[:4], asked[4:]
    assert pipeline[0] == ["dvc", "repro", "evalset"] and pipeline[-1] == ["dvc", "repro"]
    lane = [["tools.lanes", model, build.RUNTIMES] for model in ("rn", "vit")]
    assert sorted(runtimes[:-1]) == lane
    assert runtimes[-1] == ["dvc", "repro", build.RUNTIMES]


def test_options_are_for_dvc_alone(pretended):
    asked = pretended("", TWO)
    build.repro(["--pull", "--allow-missing"])
    assert asked == [["dvc", "repro", "--pull", "--allow-missing"]]


MEET = """
import os, pathlib, sys, time
if "tools.lanes" in sys.argv:
    met = pathlib.Path({folder!r})
    (met / sys.argv[-1]).write_text(os.environ["OMP_NUM_THREADS"])
    for _ in range(500):
        if len(list(met.iterdir())) == 2:
            sys.exit(0)
        time.sleep(0.02)
    sys.exit("the other model has not begun")
"""


def test_models_are_built_side_by_side_with_a_share_of_the_cpus_each(
    pretended, tmp_path, monkeypatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(build.os, "cpu_count", lambda: 6)
    folder = tmp_path / "met"
    folder.mkdir()
    pretended(MEET.format(folder=str(folder)), TWO)
    build.repro([])
    assert {one.name: one.read_text() for one in folder.iterdir()} == {"vit": "3", "rn": "3"}


def test_what_gathers_does_not_run_after_a_model_that_failed(pretended, capsys):
    asked = pretended("import sys; sys.exit('rn' in sys.argv)", TWO)
    with pytest.raises(command.Refusal, match="a stage failed"):
        build.repro([])
    assert ["tools.lanes", "vit"] in asked and ["dvc", "repro"] not in asked


def test_nothing_runs_where_nothing_changed(pretended):
    asked = pretended("", None)
    build.repro([])
    assert asked == []


def test_stages_in_another_folder_are_counted(tmp_path, archives, monkeypatch, capsys):
    def logged(line, see, **_):
        see("Running stage 'pins':\n")
        return 0, []

    small.set_up(tmp_path / "there", small.params(archives))
    Repo.init(tmp_path / "there", no_scm=True).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "logged", logged)
    build.begin()
    build.elsewhere("vit", Path("there"), "pins")
    done, total = re.match(r"\[(\d+)/(\d+)\] pins  0 s", capsys.readouterr().out).groups()
    assert done == "1" and int(total) > 20
