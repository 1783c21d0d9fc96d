"""Dependabot's file names every folder of packages, and leaves to rerun.yml what that rebuilds."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from stages.pins import packages
from tools import upgrade

FILE = Path(".github/dependabot.yml")
UPDATES = {
    update["package-ecosystem"]: update
    for update in yaml.safe_load(FILE.read_text("utf-8"))["updates"]
}
REQUIREMENTS = [*Path().glob("*.in"), *Path("runtimes").glob("*.in")]
FOLDERS = [Path(name) for name in upgrade.FOLDERS]


def ignored(ecosystem):
    return {entry["dependency-name"] for entry in UPDATES[ecosystem].get("ignore", ())}


def asked(path):
    """The lines of a requirements.in."""
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize(
    "line",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.dependabot"),
        ("zizmor", "--offline"),
    ],
    ids=["valid", "safe"],
)
def test_linters_find_nothing(line):
    pytest.importorskip("check_jsonschema", reason="make team installs it, and zizmor")
    program = Path(sys.executable).with_name(line[0])
    done = subprocess.run([program, *line[1:], FILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_of_packages_is_named():
    python = {f"/{path.parent}".removesuffix(".") for path in REQUIREMENTS}
    assert set(UPDATES["pip"]["directories"]) == python
    assert set(UPDATES["npm"]["directories"]) == {f"/{folder}" for folder in FOLDERS}
    assert UPDATES["github-actions"]["directory"] == "/"


def test_what_decides_a_files_bytes_is_left_to_the_rerun():
    (newest,) = re.findall(r"^NEWEST := (.*)$", Path("Makefile").read_text("utf-8"), re.MULTILINE)
    held = [line for path in REQUIREMENTS for line in asked(path) if line.specifier]
    exact = {line.name for line in held if str(line.specifier).startswith("==")}
    bounded = {line.name for line in held} - exact
    assert ignored("pip") == bounded | (exact & set(newest.split()))
    assert ignored("npm") == {upgrade.JAVASCRIPT}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=str)
def test_a_lock_holds_what_is_asked_for(path):
    """Dependabot moves a line of a requirements.in and leaves the lock: `make lock` follows."""
    locked = packages.versions(path.with_suffix(".lock").read_text("utf-8"))
    off = [str(line) for line in asked(path) if not line.specifier.contains(locked[line.name])]
    assert off == []


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_npm_writes_exact_versions_and_no_address(folder):
    said = (folder / ".npmrc").read_text("utf-8").splitlines()
    wanted = {"omit-lockfile-registry-resolved=true", "save-exact=true", "ignore-scripts=true"}
    assert wanted <= {*said}
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    assert not any("resolved" in package for package in lock["packages"].values())
    listed = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in listed.values())
