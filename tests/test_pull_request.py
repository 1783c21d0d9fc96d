"""A pull request, played: a clone without data changes a line, reruns, and is commented on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import small
from test_pipeline import ran

pytestmark = pytest.mark.slow

PEOPLE = {
    f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
ENVIRONMENT = {
    **os.environ,
    **PEOPLE,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
}
FLOOR = {"cosine_min": 0.9, "snr_db": 5.0}
OF_INT8W = {
    "encode@vit-int8w",
    "evaluate@vit-int8w",
    "bundle@vit",
    "report",
}


def run(folder, *command, fails=False):
    """What a command prints, which must succeed or must not."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(folder, *arguments, fails=False):
    return run(folder, sys.executable, "-m", *arguments, fails=fails)


def commit(folder, message):
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


def change(folder, old, new):
    path = folder / "params.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def origin(tmp_path_factory, archives):
    """A repository whose main branch is built, and pushed to a remote that is a folder."""
    folder = tmp_path_factory.mktemp("origin")
    content = small.params({"vit": archives["vit"]})
    content["grid"]["encodings"] |= {"plain": ["fp32", "int8w", "int4w"]}
    content["grid"]["encodings"] |= {"by_sensitivity": [], "resnets": []}
    content["bundle"]["encodings"] = ["int8w"]
    content["floors"] = {"vit": {"visual": {"int8w": FLOOR}, "textual": {"int8w": FLOOR}}}
    small.set_up(folder, content)
    for name in ("tools", "runtimes"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dvc.lock")
        shutil.copytree(small.ROOT / name, folder / name, ignore=ignored)
    (folder / "tests").mkdir()
    for name in (".gitignore", "tests/test_parity.py"):
        shutil.copyfile(small.ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    program(folder, "dvc", "init", "--quiet")
    shutil.copyfile(small.ROOT / ".dvc/config", folder / ".dvc/config")
    remote = tmp_path_factory.mktemp("remote")
    program(folder, "dvc", "remote", "add", "--default", "store", str(remote))
    program(folder, "dvc", "repro")
    commit(folder, "Built")
    program(folder, "dvc", "push", "--run-cache")
    return folder


@pytest.fixture
def clone(origin, tmp_path):
    """A clone on a branch of its own, without data."""
    run(tmp_path, "git", "clone", "--quiet", str(origin), "clone")
    run(tmp_path / "clone", "git", "switch", "--quiet", "--create", "branch")
    return tmp_path / "clone"


def repro(folder):
    """The stages that `make repro` runs, but for `pins`: it checks each new params.yaml."""
    program(folder, "tools.pull")
    return ran(program(folder, "dvc", "repro", "--pull", "--allow-missing")) - {"pins"}


def comment(folder):
    return program(folder, "tools.review", "origin/main")


def stale(folder, **how):
    lines = program(folder, "tools.stale", **how).splitlines()
    told = dict(line.split(": ", 1) for line in lines)
    return {name: why for name, why in told.items() if name not in ("error", "note")}


def pipeline(stages):
    """Those of the pipeline, but for `pins`: it checks each new params.yaml."""
    return {name for name in stages if not name.startswith("runtimes/")} - {"pins"}


def test_an_unchanged_branch_is_a_line(clone):
    text = comment(clone)
    assert text.count("\n") == 2 and text.startswith("<!-- ")
    assert "No change against `origin/main`" in text


def test_nothing_is_stale_in_a_clone_without_data_and_in_one_with_some(clone):
    assert pipeline(stale(clone)) == set()
    some = ("data/eval/vit.visual.int8w.json", "data/models/vit/visual/fp32")
    program(clone, "dvc", "pull", *some)
    assert pipeline(stale(clone)) == set()
    assert "data/eval" in program(clone, "dvc", "status", "report")  # DVC takes it for a change


def test_a_changed_line_reruns_what_reads_it_and_pulls_the_rest_of_its_inputs(clone, origin):
    change(clone, "block: row", "block: 16")
    said = stale(clone, fails=True)
    quantized = {"encode@vit-int8w"}
    assert pipeline(said) == quantized | {"report"}  # which reads encodings:
    assert "encodings.int8w: modified" in said["encode@vit-int8w"]
    assert repro(clone) == OF_INT8W
    assert (clone / "data/patch").exists() and not (clone / "data/export").exists()
    assert pipeline(stale(clone)) == set()
    commit(clone, "Blocks of 16")
    text = comment(clone)
    assert "Broken floors" not in text
    assert "#### Files: 2 changed" in text and " added" not in text and " removed" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `vit.")]
    assert [row.split("`")[1] for row in rows] == ["vit.textual.int8w", "vit.visual.int8w"]
    assert all(row.count(" → ") >= 2 for row in rows)
    assert '| `encodings.int8w.block` | `"row"` | `16`  |' in text
    plain = program(origin, "tools.review", "main")
    assert "No change" in plain


def test_an_added_encoding_is_listed_and_a_dropped_one_too(clone):
    content = yaml.safe_load((clone / "params.yaml").read_text("utf-8"))
    content["grid"]["encodings"]["plain"] = ["fp32", "int8w", "int6w"]
    small.write_params(clone, content)
    built = {"encode@vit-int6w"}
    assert pipeline(stale(clone, fails=True)) >= built
    program(clone, "tools.pull")
    program(clone, "tools.prune")
    again = ran(program(clone, "dvc", "repro", "--pull", "--allow-missing"))
    assert again == built | {"evaluate@vit-int6w", "bundle@vit", "report"}
    text = comment(clone)
    assert "#### Files: 2 added" in text and "#### Files: 2 removed" in text
    assert text.index("vit.visual.int6w") < text.index("vit.visual.int4w")


def test_a_broken_floor_fails_the_gate_by_its_name_and_comes_first(clone):
    change(clone, "snr_db: 5.0", "snr_db: 99.0")
    assert repro(clone) == {"bundle@vit"}  # golden.json carries the floors
    said = program(clone, "pytest", "tests/test_parity.py", fails=True)
    text = comment(clone)
    heading, first = text.index("#### Broken floors: 2"), text.index("#### Parameters")
    for key in ("vit.visual.int8w", "vit.textual.int8w"):
        assert f"test_figure_holds_its_floor[{key}-snr_db]" in said
        (row,) = re.findall(rf"^\| `{key}` +\| snr_db +\| .*at least 99.0 +\|$", text, re.MULTILINE)
        assert heading < text.index(row) < first
    assert "cosine_min" not in text


def test_a_lock_that_contradicts_itself_is_stale(clone):
    """As after a merge of two branches' locks: each entry is right, together they are not."""
    path = clone / "dvc.lock"
    lock = yaml.safe_load(path.read_text("utf-8"))
    (out, _) = lock["stages"]["encode@vit-int8w"]["outs"]
    out["md5"] = "0" * 32 + ".dir"
    (evaluated, _) = lock["stages"]["evaluate@vit-int4w"]["outs"]
    evaluated["md5"] = "1" * 32
    path.write_text(yaml.safe_dump(lock), "utf-8")
    said = stale(clone, fails=True)
    assert pipeline(said) == {"evaluate@vit-int8w", "report"}
    assert said["report"] == "data/eval: not what the stage before it made"


def test_metrics_that_were_edited_are_stale(clone):
    path = clone / "metrics/parity.json"
    path.write_text(path.read_text("utf-8").replace('"inputs"', '"input"'), "utf-8")
    assert "metrics/parity.json: modified" in stale(clone, fails=True)["report"]


def test_data_that_nobody_pushed_is_refused_in_a_line(clone, tmp_path):
    program(clone, "dvc", "remote", "add", "--force", "--default", "store", str(tmp_path / "empty"))
    change(clone, "block: row", "block: 16")
    last = program(clone, "tools.pull", fails=True).splitlines()[-1]
    assert last.startswith("error: ") and "dvc push --run-cache" in last


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("nowhere", "git knows no revision nowhere: git fetch"),
        ("empty", "empty has no metrics/parity.json: choose a revision that has it"),
    ],
)
def test_a_revision_that_cannot_be_compared_is_refused_in_a_line(clone, revision, said):
    if revision == "empty":
        tree = run(clone, "git", "mktree", "--missing").strip()
        sha = run(clone, "git", "commit-tree", tree, "-m", "x").strip()
        run(clone, "git", "tag", "empty", sha)
    printed = program(clone, "tools.review", revision, fails=True)
    assert printed.startswith(f"error: {said}") and printed.count("\n") == 1


def test_a_shallow_clone_is_told_to_fetch(origin, tmp_path):
    address = Path(origin).as_uri()
    run(tmp_path, "git", "clone", "--quiet", "--depth", "1", address, "shallow")
    printed = program(tmp_path / "shallow", "tools.review", "HEAD^", fails=True)
    assert printed == "error: this clone is shallow and lacks HEAD^: git fetch --unshallow\n"
