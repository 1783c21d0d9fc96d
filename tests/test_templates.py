"""What GitHub shows to who opens an issue or a pull request."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(".github/ISSUE_TEMPLATE")
FORMS = sorted(path for path in FOLDER.glob("*.yml") if path.name != "config.yml")


def check(schema, *files):
    pytest.importorskip("check_jsonschema", reason="make team installs it")
    line = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(line, capture_output=True, text=True)


def test_forms_are_forms():
    assert len(FORMS) == 3
    done = check("vendor.github-issue-forms", *FORMS)
    assert done.returncode == 0, done.stdout


def test_the_configuration_is_one():
    done = check("vendor.github-issue-config", FOLDER / "config.yml")
    assert done.returncode == 0, done.stdout


def test_a_form_without_a_body_would_be_refused(tmp_path):
    form = tmp_path / "form.yml"
    form.write_text("name: A\ndescription: B\n", "utf-8")
    assert check("vendor.github-issue-forms", form).returncode == 1


def test_the_pull_request_names_targets_that_exist():
    text = Path(".github/PULL_REQUEST_TEMPLATE.md").read_text("utf-8")
    named = re.findall(r"`make ([a-z-]+)`", text)
    targets = re.findall(r"^([a-z-]+):", Path("Makefile").read_text("utf-8"), re.MULTILINE)
    assert named and set(named) <= set(targets)
