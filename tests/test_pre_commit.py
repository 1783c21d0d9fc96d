"""What runs before a commit is what CI runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONFIGURATION = Path(".pre-commit-config.yaml")
HOOKS = [
    hook
    for repository in yaml.safe_load(CONFIGURATION.read_text())["repos"]
    for hook in repository["hooks"]
]
WORKFLOWS = Path(".github/workflows").glob("*.yml")
CI = "\n".join(path.read_text() for path in (Path(".ci/run"), *WORKFLOWS))
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


def test_hooks_come_with_the_project():
    """Another repository's would bring versions that requirements.lock does not know."""
    repositories = yaml.safe_load(CONFIGURATION.read_text())["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    assert {hook["language"] for hook in HOOKS} == {"system"}


def test_dvcs_own_hooks_are_dvcs():
    from dvc.cli.parser import get_main_parser

    for hook in HOOKS:
        if hook not in OF_COMMITS:
            program, *arguments = hook["entry"].split()
            assert program == ".venv/bin/dvc"
            assert [f"{get_main_parser().parse_args(arguments).cmd}"] == hook["stages"]
