"""runtimes/dvc.lock: that metrics/runtimes.json is of the files that dvc.lock says are built.

Elsewhere than in `make runtimes` (JUST_MEASURED), whoever rebuilt the files need not have Chromium:
figures of other files are skipped there.
"""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from clip_onnx.names import TOWERS
from clip_onnx.settings import params

pytestmark = pytest.mark.runtimes

LOCK = Path("runtimes/dvc.lock")
REMEDY = "make runtimes"


def locked(path):
    """{stage: its entry} of a lock file."""
    return yaml.safe_load(path.read_text("utf-8"))["stages"] if path.exists() else {}


def asked_for(foreign, grid):
    """The stages of the grid's models: DVC leaves the others in a lock."""
    cases = {
        *grid.models,
        *(f"{model}-{tower}" for model in grid.models for tower in TOWERS),
    }
    return {name: one for name, one in foreign.items() if name.partition("@")[2] in {"", *cases}}


def outputs(lock):
    """{path: entry} of everything that a lock's stages make."""
    return {out["path"]: out for entry in lock.values() for out in entry.get("outs", ())}


def built(lock, grid):
    """The same without models' files that the grid no longer asks for. What a ResNet's visual
    tower has not is a folder, too, which says so."""
    both = [(tower, v) for tower in TOWERS for v in grid.encodings.of_both_towers]
    files = {
        f"data/models/{m}/{graph}/{v}" for m in grid.models for graph, v in (*grid.files(m), *both)
    }
    found = outputs(lock).items()
    return {path: out for path, out in found if path in files or "data/models/" not in path}


def below(folder, outs):
    """What can be told of a folder from the outputs below it: its size and number of files."""
    inside = [out for path, out in outs.items() if path.startswith(f"{folder}/")]
    return {
        "size": sum(out["size"] for out in inside),
        "nfiles": sum(out.get("nfiles", 1) for out in inside),
    }


def stale(foreign, made):
    """Lines on what foreign runtimes were given and nobody makes: {stage: entry}, {path: entry}.

    Of a folder that several stages fill, data/models/MODEL, a lock knows no
    hash: its size is compared, and stages that were given it in two states are told.
    """
    made = made | outputs(foreign)
    states = {}
    for stage, entry in foreign.items():
        for dep in entry["deps"]:
            path = dep["path"]
            if not path.startswith("data/") or path == "data/pins.json":
                continue
            if states.setdefault(path, dep["md5"]) != dep["md5"]:
                yield f"{stage}: {path} is not what other stages were given"
            if path in made:
                current = dep["md5"] == made[path]["md5"]
            else:
                current = below(path, made).items() <= dep.items()
            if not current:
                yield f"{stage}: {path} was built anew"


def judge(reasons):
    """Fail in `make runtimes`, skip elsewhere, if there are reasons."""
    if reasons and "JUST_MEASURED" not in os.environ:
        pytest.skip(f"{REMEDY}: {reasons[0]}")
    assert reasons == []


def test_the_files_that_were_run_are_those_that_are_built():
    if not LOCK.exists():
        judge([f"{LOCK} is missing"])
    grid = params.load().grid
    made = built(locked(Path("dvc.lock")), grid)
    judge(list(stale(asked_for(locked(LOCK), grid), made)))


def test_metrics_are_those_that_were_measured():
    path = "metrics/runtimes.json"
    measured = outputs(locked(LOCK)).get(path, {}).get("md5")
    current = measured == hashlib.md5(Path(path).read_bytes()).hexdigest()
    judge([] if current else [f"{path} is not the one of {LOCK}"])


def entry(path, digest, size=3, nfiles=1):
    return {"path": path, "md5": digest, "size": size, "nfiles": nfiles}


MADE = {
    one["path"]: one
    for one in (
        entry("data/models/m/visual/npu", "a"),
        entry("data/models/m/image/fp32", "b"),
        entry("data/bundles/m", "c"),
    )
}


@pytest.mark.parametrize(
    ("deps", "reasons"),
    [
        ([("data/bundles/m", "c"), ("data/models/m/visual/npu", "a")], []),
        ([("data/bundles/m", "x")], ["run: data/bundles/m was built anew"]),
        ([("data/models/m", "d", 6, 2)], []),
        ([("data/models/m", "d", 7, 2)], ["run: data/models/m was built anew"]),
        ([("data/models/m", "d", 6, 3)], ["run: data/models/m was built anew"]),
        ([("clip_onnx/host", "x")], []),
        ([("data/models/gone", "x", 6, 2)], ["run: data/models/gone was built anew"]),
    ],
)
def test_what_was_built_anew_is_told(deps, reasons):
    foreign = {"run": {"deps": [entry(*dep) for dep in deps]}}
    assert list(stale(foreign, MADE)) == reasons


def test_stages_that_were_given_two_states_are_told():
    foreign = {
        name: {"deps": [entry("data/models/m", digest, 6, 2)]}
        for name, digest in {"first": "d", "second": "e"}.items()
    }
    assert list(stale(foreign, MADE)) == [
        "second: data/models/m is not what other stages were given"
    ]


def test_what_a_foreign_stage_makes_is_compared_too():
    foreign = {
        "convert": {"deps": [], "outs": [entry("data/litert/m", "f")]},
        "run": {"deps": [entry("data/litert/m", "g")]},
    }
    assert list(stale(foreign, MADE)) == ["run: data/litert/m was built anew"]


def test_what_the_grid_no_longer_asks_for_counts_nowhere():
    none = SimpleNamespace(of_both_towers=[])
    files = {"files": lambda model: [("visual", "npu")]}
    grid = SimpleNamespace(models=["m"], encodings=none, **files)
    lock = {"s": {"outs": [*MADE.values(), entry("data/models/gone/visual/npu", "h")]}}
    assert set(built(lock, grid)) == {"data/models/m/visual/npu", "data/bundles/m"}
    names = ["run@m", "encode@m-visual", "collect", "run@gone", "encode@gone-visual"]
    assert list(asked_for(dict.fromkeys(names), grid)) == names[:3]
