"""runtimes/dvc.yaml: that test_dvc_yaml.py's rules hold for what Python does not import, too."""

import re
from pathlib import Path

import pytest

from runtimes import collect

from test_dvc_yaml import closure, foreign, module, packages, pins, stages

pytestmark = pytest.mark.runtimes

FOLDER = Path("runtimes")
FOREIGN = {"openvino", "playwright"}  # of runtimes/requirements.lock
RUN = re.compile(r"[\w.]+\.(?:mjs|html|c|h)\b|litert_run\.py")


def declared(stage):
    return {Path(dep.def_path) for dep in stage.deps}


def named(path):
    """The programs and pages beside a file that it names."""
    known = {file.name: file for file in (*FOLDER.iterdir(), *FOLDER.glob("c/*"))}
    return {known[name] for name in RUN.findall(path.read_text("utf-8")) if name in known}


def programs(entry):
    """Every program and page that a module reaches, by name."""
    seen, stack = set(), [path for path in closure(entry) if path.parent == FOLDER]
    while stack:
        found = named(stack.pop()) - seen
        seen |= found
        stack += found
    return seen


def test_every_stage_depends_on_the_programs_and_pages_it_runs():
    assert {path.suffix for stage in foreign() for path in programs(module(stage))} == {
        ".mjs",
        ".html",
        ".c",
        ".h",
        ".py",
    }
    for stage in foreign():
        missing = programs(module(stage)) - declared(stage)
        assert not missing, f"{stage.addressing}: add to deps: {sorted(map(str, missing))}"


def test_every_stage_depends_on_the_lock_of_what_it_runs_in():
    for stage in foreign():
        locks = set()
        if packages(module(stage)) & FOREIGN:
            locks.add(FOLDER / "requirements.lock")
        suffixes = {path.suffix for path in programs(module(stage))}
        if ".mjs" in suffixes:
            locks.add(FOLDER / "package-lock.json")
        if ".py" in suffixes:
            locks.add(FOLDER / "requirements-litert.lock")
        assert locks <= declared(stage), stage.addressing


def test_every_stage_pins_the_packages_that_shape_its_figures():
    pinned = {stage.addressing: pins(stage) for stage in foreign()}
    for stage in foreign():
        missing = packages(module(stage)) - FOREIGN - pinned[stage.addressing]
        assert not missing, f"{stage.addressing}: add to data/pins.json's params: {sorted(missing)}"


def test_every_runtime_is_collected():
    modules = {module(stage).removeprefix("runtimes.") for stage in foreign()}
    assert modules == {*collect.MODULES, "collect", "litert_convert"}
    (last,) = (stage for stage in foreign() if module(stage) == "runtimes.collect")
    assert [out.def_path for out in last.outs] == ["metrics/runtimes.json"]


def test_no_stage_of_the_pipeline_needs_a_foreign_runtime():
    """`dvc repro` would run what its stages depend on."""
    made = {Path(out.def_path) for stage in foreign() for out in stage.outs}
    for stage in stages():
        for path in declared(stage):
            assert not any(path == out or path in out.parents for out in made), stage.addressing
