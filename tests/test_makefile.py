"""What `make` says of a machine that lacks something, before it installs anything."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("make", "sh", "touch", "awk", "cp", "mkdir", "chmod")
MACHINE = {  # stand-ins for what the pages and the foreign runtimes need
    "node": "exit 0",
    "npm": 'mkdir -p web/node_modules; echo "npm $*" >> log',
    "chromium": "exit 0",
    "cc": "exit 0",
    "python3.12": '[ "$1" = -c ] || echo "python $*" >> log',
}
NODE, CHROMIUM, COMPILER = "Node.js 20 or later", "Chromium", "no C compiler"


@pytest.fixture
def machine(tmp_path):
    """machine(target, lacking=(), **variables): `make target` in a fresh clone, done."""
    shutil.copyfile("Makefile", tmp_path / "Makefile")
    (tmp_path / ".github").mkdir()
    shutil.copyfile(".github/github.mk", tmp_path / ".github/github.mk")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))

    def make(*arguments, lacking=(), **variables):
        for name, program in MACHINE.items():
            (folder / name).write_text(f"#!/bin/sh\n{program}\n", "utf-8")
            (folder / name).chmod(0o755)
        for name in lacking:
            (folder / name).unlink()
        environment = {"PATH": str(folder), "HOME": str(tmp_path), **variables}
        line = ["make", "PYTHON=python3.12", *arguments]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return make


def installed(folder):
    return sorted(
        path.name for path in folder.iterdir() if path.name not in ("Makefile", ".github", "bin")
    )


@pytest.mark.parametrize(
    ("target", "lacking", "said"),
    [
        ("web", "node", NODE),
        ("web", "npm", NODE),
        ("test-web", "node", NODE),
        ("test-web", "chromium", CHROMIUM),
        ("runtimes", "npm", NODE),
        ("runtimes", "chromium", CHROMIUM),
        ("runtimes", "cc", COMPILER),
    ],
)
@pytest.mark.parametrize("jobs", ["-j1", "-j8"])
def test_what_is_missing_is_told_before_anything_is_installed(
    machine, tmp_path, target, lacking, said, jobs
):
    done = machine(target, jobs, lacking=[lacking])
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert line.startswith("error: ") and said in line
    assert installed(tmp_path) == []


def test_an_old_node_is_refused(machine, monkeypatch):
    monkeypatch.setitem(MACHINE, "node", "exit 1")
    assert NODE in machine("node-needs").stdout


def test_pages_need_neither_a_compiler_nor_litert(machine):
    done = machine("pages-needs", lacking=["cc", "python3.12"])
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["google-chrome", "chromium-browser"])
def test_chromium_has_other_names(machine, monkeypatch, name):
    monkeypatch.setitem(MACHINE, name, "exit 0")
    assert machine("pages-needs", lacking=["chromium"]).returncode == 0


def test_chromium_can_be_named(machine, tmp_path):
    other = shutil.copyfile("Makefile", tmp_path / "bin/other")
    Path(other).chmod(0o755)
    assert machine("pages-needs", lacking=["chromium"], CHROMIUM=str(other)).returncode == 0
    assert CHROMIUM in machine("pages-needs", CHROMIUM="/nowhere/chromium").stdout


def test_pages_are_tested_without_the_runtimes_packages(machine, tmp_path):
    for name in ("requirements.lock", "runtimes/requirements.lock", "web/package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(name, tmp_path / name)
    (tmp_path / "data/bundles").mkdir(parents=True)
    printed = machine("-n", "test-web").stdout
    assert "npm ci --ignore-scripts --no-audit --no-fund --prefix web" in printed
    assert "--prefix runtimes" not in printed
    assert printed.splitlines()[-1].endswith("-rs web/tests")


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["test"], '-m "not (slow)"'),
        (["test", "LEAVE_OUT=slow or runtimes"], '-m "not (slow or runtimes)"'),
        (["test", "TESTS=tests/test_pipeline.py"], "loadfile tests/test_pipeline.py"),
        (["test-all"], "--dist loadfile"),
        (["test-all", "TESTS=tests/patches"], "loadfile tests/patches"),
    ],
)
def test_slow_tests_run_where_they_are_asked_for(machine, tmp_path, given, run):
    (tmp_path / "requirements.lock").touch()
    assert machine("-n", *given).stdout.rstrip().endswith(run)


def test_what_imports_runtimes_is_marked_for_make_runtimes():
    for path in Path("tests").glob("test_*.py"):
        text = path.read_text("utf-8")
        if re.search(r"^(from|import) runtimes\b", text, re.MULTILINE):
            marks = r"^pytestmark = (\[\n    )?pytest\.mark\.runtimes\b"
            assert re.search(marks, text, re.MULTILINE), path
            assert text.count("\npytestmark = ") == 1, "the second takes the first one's place"


def planned(target, **variables):
    """What `make` would run here."""
    environment = os.environ | variables
    line = ["make", "--dry-run", target]
    return subprocess.run(line, env=environment, capture_output=True, text=True).stdout


def test_released_models_stand_in_for_the_bundles(tmp_path):
    said = planned("site", RELEASED=f"$(shell touch {tmp_path}/run) a/b")
    assert "set -f; .venv/bin/python -m tools.released build/released -- $RELEASED" in said
    assert "--bundles build/released" in said
    assert not (tmp_path / "run").exists()  # by make; the shell gets the name of a variable
    assert "released" not in planned("site", RELEASED=" ")


def test_help_has_four_groups_and_fits_a_terminal():
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], capture_output=True, text=True, check=True
    ).stdout
    lines = printed.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        *("start", "results", "team", "maintain")
    ]
    documented = re.findall(
        r"^([a-z-]+):.*  ## ", Path("Makefile").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(line.split()[0] for line in lines if line.startswith(" ")) == sorted(documented)
    assert max(map(len, lines)) < 81
