"""The workflows of GitHub Actions: valid, safe by a linter's word, and nothing but make targets."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.review import comment

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
MAKEFILE = Path("Makefile").read_text("utf-8") + Path(".github/github.mk").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
OURS = {"checkout", "setup-python", "cache/restore", "cache/save", "upload-artifact"}
OURS |= {"upload-pages-artifact", "deploy-pages"}
each = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


def jobs(path):
    return yaml.safe_load(path.read_text("utf-8"))["jobs"].values()


def steps(path):
    return [step for job in jobs(path) for step in job["steps"]]


def linted(*command):
    """What a linter of requirements-team.lock says where it fails; None where it does not."""
    program = [f"{os.path.dirname(sys.executable)}/{command[0]}", *map(str, command[1:])]
    done = subprocess.run(program, capture_output=True, text=True)
    return (done.stdout + done.stderr) if done.returncode else None


def test_there_are_workflows():
    assert "pr.yml" in {path.name for path in WORKFLOWS}


@each
def test_workflow_is_one(path):
    pytest.importorskip("check_jsonschema", reason="make team installs it")
    schema = ("--builtin-schema", "vendor.github-workflows")
    assert linted("check-jsonschema", *schema, path) is None


@each
def test_workflow_is_safe(path):
    pytest.importorskip("check_jsonschema", reason="make team installs zizmor beside it")
    assert linted("zizmor", "--offline", path) is None


def test_the_linters_find_what_is_wrong(tmp_path):
    pytest.importorskip("check_jsonschema", reason="make team installs it")
    text = Path(".github/workflows/pr.yml").read_text("utf-8")
    path = tmp_path / "x.yml"
    path.write_text(text.replace("runs-on:", "runs-at:"), "utf-8")
    assert "runs-on" in linted(
        "check-jsonschema", "--builtin-schema", "vendor.github-workflows", path
    )
    path.write_text(text.replace("run: make lint", 'run: make "${{ github.head_ref }}"'), "utf-8")
    assert "template-injection" in linted("zizmor", "--offline", path)


@each
def test_every_line_that_runs_is_a_make_target(path):
    """Or one call of GitHub's own program."""
    for line in [step["run"] for step in steps(path) if "run" in step]:
        assert "\n" not in line.strip()
        program, *words = shlex.split(line)
        if program == "gh":
            continue
        assert program == "make", line
        named = {word for word in words if "=" not in word}
        assert named <= TARGETS, f"{line}: {sorted(named - TARGETS)}"


@each
def test_actions_are_githubs_own_and_pinned(path):
    lines = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    for line in lines:
        name, rest = line.split("@")
        assert name.removeprefix("actions/") in OURS
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", rest), line


@each
def test_a_job_has_a_limit_and_names_what_it_may(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {}
    for job in jobs(path):
        assert job["timeout-minutes"] <= 360
        assert "permissions" in job


def test_only_what_runs_no_code_of_the_branch_may_write():
    path = Path(".github/workflows/pr.yml")
    assert yaml.safe_load(path.read_text("utf-8"))[True] == "pull_request"  # YAML 1.1's `on`
    for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
        writes = "write" in job["permissions"].values()
        assert writes == (name == "comment")
        if writes:
            (checkout,) = [step for step in job["steps"] if "uses" in step]
            assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_what_make_test_leaves_out_runs_weekly():
    path = Path(".github/workflows/rerun.yml")
    assert "schedule" in yaml.safe_load(path.read_text("utf-8"))[True]
    assert "make test-all" in [step.get("run") for step in steps(path)]


def test_ci_run_makes_targets_and_ends_at_one_that_fails():
    text = Path(".ci/run").read_text("utf-8")
    assert "\nset -euo pipefail\n" in text
    made = re.findall(r"^ *(?:if )?make ?([\w-]*)", text, re.MULTILINE)
    assert {name for name in made if name} <= TARGETS
    assert {"stale", "docs-check", "lint", "gate", "test-web", "runtimes", "test"} <= {*made}
    assert made.index("docs-check") < made.index("")  # another kind of CPU rebuilds the metrics


GH = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *--jq*) printf '{found}' ;; esac
"""


@pytest.mark.parametrize(
    ("found", "call"),
    [
        ("", "repos/{owner}/{repo}/issues/7/comments --field"),
        ("12\\n13\\n", "--method PATCH repos/{owner}/{repo}/issues/comments/12 --field"),
    ],
)
def test_the_comment_is_put_in_place_of_its_last_state(tmp_path, found, call):
    (tmp_path / "gh").write_text(GH.format(log=tmp_path / "log", found=found), "utf-8")
    (tmp_path / "gh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin", "PR": "7"}
    command = ["make", "-f", Path("Makefile").resolve(), "post"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    first, second = (tmp_path / "log").read_text("utf-8").splitlines()
    assert f'startswith("{comment.MARKER}")' in first
    assert call in second and second.endswith("body=@build/comment.md")


def test_the_summary_gets_the_comment(tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/comment.md").write_text("parity\n", "utf-8")
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    command = ["make", "-f", Path("Makefile").resolve(), "summary"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "summary").read_text("utf-8") == "parity\n"
