import os
import shutil
import subprocess
import sys

import pytest

from tools import rerun

import small


def lock(**changed):
    outs = {
        "data/reference/tiny-vit": "1",
        "data/export/tiny-vit/visual": "2",
        "data/models/tiny-vit/visual/int8w": "3",
        "metrics/parity.json": "4",
    } | {path.replace("__", "/"): md5 for path, md5 in changed.items()}
    return {path: md5 for path, md5 in outs.items() if md5}


@pytest.mark.parametrize(
    ("path", "equal"),
    [
        ("data/pins.json", True),
        ("data/checkpoints/tiny-vit", True),
        ("data/patch/tiny-rn/visual/std", True),
        ("data/models/tiny-vit/textual/fp16", True),
        ("data/models/tiny-vit/visual/mixed", True),
        ("data/models/tiny-vit/classifier/fp32", True),
        ("data/products/tiny-vit/classifier/fp32", True),
        ("data/bundles/tiny-rn", True),
        ("data/reference/tiny-vit", False),
        ("data/evalset", False),
        ("data/eval/tiny-vit.visual.int8w.json", False),
        ("metrics/parity.json", False),
    ],
)
def test_what_people_take_has_the_same_bytes_anywhere(path, equal):
    assert rerun.must_be_equal(path) == equal


def test_what_is_measured_may_differ_and_nothing_else():
    changed = lock(
        **{
            "data__reference__tiny-vit": "x",
            "data__models__tiny-vit__visual__int8w": "x",
            "data__export__tiny-vit__visual": None,
        }
    )
    table = rerun.compare(lock(), changed)
    assert dict(zip(table["output"], table["allowed"], strict=True)) == {
        "`data/export/tiny-vit/visual`": "no",
        "`data/models/tiny-vit/visual/int8w`": "no",
        "`data/reference/tiny-vit`": "measured",
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A committed project of one small model, built once."""
    folder = tmp_path_factory.mktemp("project")
    content = small.params({"vit": archives["vit"]})
    content["grid"]["encodings"] = {"plain": ["fp32", "int8w"]}
    content["grid"]["encodings"] |= {"by_sensitivity": [], "resnets": []}
    content["bundle"] |= {"encodings": ["fp32"]}
    content["evalset"]["images"] = "pictures.csv"  # fewer inputs than the gate wants of ours
    small.set_up(folder, content)
    shutil.copyfile(small.ROOT / "stages/evalset/photographs.csv", folder / "pictures.csv")
    for name in ("tools", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(small.ROOT / name, folder / name, ignore=ignored)
    shutil.copyfile(small.ROOT / ".gitignore", folder / ".gitignore")
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "dvc", "init", "--quiet")
    shutil.copyfile(small.ROOT / ".dvc/config", folder / ".dvc/config")
    run(folder, "dvc", "repro", "--quiet")
    commit(folder)
    return folder


def run(folder, *line, fails=False):
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    result = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    return result.stdout + result.stderr


def commit(folder):
    run(folder, "git", "add", "--all")
    user = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    run(folder, "git", *user, "commit", "--quiet", "--message=x")


RERUN = (sys.executable, "-m", "tools.rerun", "build/rerun.md")


@pytest.mark.slow
def test_a_rerun_repeats_every_byte(project):
    run(project, *RERUN)
    assert "Every output is as committed." in (project / "build/rerun.md").read_text("utf-8")


@pytest.mark.slow
def test_a_lock_that_tells_otherwise_is_found(project):
    lock = project / "dvc.lock"
    old = lock.read_text("utf-8")
    md5 = rerun.outputs(old)["data/models/vit/visual/int8w"]
    lock.write_text(old.replace(md5, "0" * 32 + ".dir"), "utf-8")
    assert "commit first" in run(project, *RERUN, fails=True)
    commit(project)
    run(project, *RERUN, fails=True)
    rows = [
        line
        for line in (project / "build/rerun.md").read_text("utf-8").splitlines()
        if "00000000" in line
    ]
    assert len(rows) == 1
    assert "data/models/vit/visual/int8w" in rows[0]
    assert rows[0].rstrip(" |").endswith("no")
