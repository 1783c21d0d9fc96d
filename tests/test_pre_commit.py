"""What runs before a commit is what CI runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONFIGURATION = Path(".pre-commit-config.yaml")
HOOKS = [
    hook
    for repository in yaml.safe_load(CONFIGURATION.read_text("utf-8"))["repos"]
    for hook in repository["hooks"]
]
WORKFLOWS = Path(".github/workflows").glob("*.yml")
CI = "\n".join(path.read_text("utf-8") for path in (Path(".ci/run"), *WORKFLOWS))
OF_COMMITS = [hook for hook in HOOKS if "pre-commit" in hook.get("stages", ["pre-commit"])]


def test_the_file_is_a_configuration():
    pytest.importorskip("pre_commit", reason="make team installs it")
    line = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIGURATION)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("hook", OF_COMMITS, ids=lambda hook: hook["id"])
def test_a_hook_is_a_target_that_ci_makes(hook):
    make, target = hook["entry"].split()
    assert make == "make"
    assert hook["id"] == target
    assert re.search(rf"make {target}\b", CI)
    done = subprocess.run(["make", "--dry-run", target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("failing", [None, "lint", "gate"])
def test_a_commit_makes_the_targets_and_stops_at_one_that_fails(tmp_path, failing):
    pytest.importorskip("pre_commit", reason="make team installs it")
    targets = [hook["id"] for hook in OF_COMMITS]
    recipe = "\t@echo $@ >> .git/made; test $@ != $(FAILING)\n"
    (tmp_path / "Makefile").write_text(f"{' '.join(targets)}:\n{recipe}", "utf-8")
    shutil.copyfile(CONFIGURATION, tmp_path / CONFIGURATION)
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / ".git/cache")}
    environment |= {"FAILING": str(failing), "GIT_CONFIG_GLOBAL": os.devnull}

    def run(*line):
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        return subprocess.run(line, **options)

    run("git", "init", "--quiet")
    assert run(sys.executable, "-m", "pre_commit", "install").returncode == 0
    run("git", "add", ".")
    author = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    done = run("git", *author, "commit", "--quiet", "--message=first")
    made = (tmp_path / ".git/made").read_text("utf-8").split()
    assert (done.returncode == 0) == (failing is None), done.stderr
    assert made == (targets[: targets.index(failing) + 1] if failing else targets)


def test_hooks_come_with_the_project():
    """Another repository's would bring versions that requirements.lock does not know."""
    repositories = yaml.safe_load(CONFIGURATION.read_text("utf-8"))["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    assert {hook["language"] for hook in HOOKS} == {"system"}


def test_dvcs_own_hooks_are_dvcs():
    from dvc.cli.parser import get_main_parser

    for hook in HOOKS:
        if hook not in OF_COMMITS:
            program, *arguments = hook["entry"].split()
            assert program == ".venv/bin/dvc"
            assert [f"{get_main_parser().parse_args(arguments).cmd}"] == hook["stages"]
