"""The recipes of docs/contributing.md, followed to the letter."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import small

TEXT = Path("docs/contributing.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(python|yaml|diff)\n(?:# (\S+)\n)?(.*?)^```$", TEXT, re.DOTALL | re.M)
FILES = {name: content for kind, name, content in BLOCKS if kind == "python"}
ENTRIES = [yaml.safe_load(content) for kind, _, content in BLOCKS if kind == "yaml"]
(SCHEME_CHANGES,) = (content for kind, _, content in BLOCKS if kind == "diff")


def entries(section):
    (found,) = (entry[section] for entry in ENTRIES if section in entry)
    return found


@pytest.fixture
def project(tmp_path):
    """The code, its tests and its settings in a folder of their own."""
    for name in (*small.CODE, "tests"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "pyproject.toml"):
        shutil.copyfile(name, tmp_path / name)
    return tmp_path


def write(project, *names):
    for name in names:
        assert not (project / name).exists(), f"{name} is there by now; choose another example"
        (project / name).write_text(FILES[name], "utf-8")


def change(project, diff):
    """Replace lines as a diff without context says, wherever they stand in its file."""
    for name, changes in re.findall(r"^--- (\S+)\n(.*?)(?=^--- |\Z)", diff, re.DOTALL | re.M):
        text = (project / name).read_text("utf-8")
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", changes, re.M):
            old, new = (re.sub("^[-+]", "", lines, flags=re.M) for lines in (old, new))
            assert old in text, f"the recipe changes lines that {name} has no more:\n{old}"
            text = text.replace(old, new)
        (project / name).write_text(text, "utf-8")


def run(project, *arguments):
    line = [sys.executable, "-m", *arguments]
    done = subprocess.run(line, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_style(project, test):
    run(project, "ruff", "check", "--no-cache", *small.CODE, test)
    run(project, "ruff", "format", "--no-cache", "--check", *small.CODE, test)


def test_the_patch_fires_where_its_test_says_and_a_profile_may_name_it(project):
    write(project, "stages/patch/patches/square_to_mul.py", "tests/patches/test_square_to_mul.py")
    assert "4 passed" in run(project, "pytest", "tests/patches/test_square_to_mul.py")
    assert "square_to_mul        Pow(x, 2) -> Mul(x, x)." in run(project, "stages.patch", "--list")
    content = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    content["profiles"]["onnxjs"]["patches"].append("square_to_mul")
    small.write_params(project, content)
    run(project, "clip_onnx.settings")
    check_style(project, "tests/patches")


def test_the_scheme_is_a_module_and_what_finds_it(project, built):
    write(project, "stages/encode/schemes/brain.py", "tests/test_brain.py")
    change(project, SCHEME_CHANGES)
    assert "1 passed" in run(project, "pytest", "tests/test_brain.py")
    content = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    content["encodings"]["brain"] = {"scheme": "brain"}
    content["grid"]["encodings"]["plain"].append("brain")
    small.write_params(project, content)
    source = built / "data/patch/vit/visual/std"
    calibration = built / "data/calibration/vit"
    run(project, "stages.encode", "brain", str(calibration), "--visual", str(source), "brain")
    assert (project / "brain/model.onnx").stat().st_size < 0.6 * size(source)
    check_style(project, "tests/test_brain.py")


def size(folder):
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.fixture
def changed(built, monkeypatch):
    """changed(section): the entries of docs/contributing.md in the small project, their names."""
    path = built / "params.yaml"
    original = path.read_text("utf-8")
    monkeypatch.chdir(built)

    def put(section):
        content = yaml.safe_load(original)
        new = entries(section)
        assert not new.keys() & content[section].keys(), "choose an example that is not shipped"
        content[section] |= new
        small.write_params(built, content)
        return list(new)

    yield put
    path.write_text(original, "utf-8")


def cosine_min(directory, output):
    given = ["data/reference/vit", "data/checkpoints/vit"]
    small.run_stage("evaluate", *given, "--file", directory, output)
    return json.loads(output.read_text("utf-8"))["metrics"]["cosine_min"]


def test_the_encoding_is_an_entry(changed, tmp_path):
    (name,) = changed("encodings")
    small.encode("vit", "visual", name, tmp_path / name)
    worst = cosine_min(tmp_path / name, tmp_path / "eval.json")
    assert cosine_min(Path("data/models/vit/visual/int4w"), tmp_path / "int4w.json") < worst < 1


@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_the_profile_is_an_entry(changed, tmp_path, tower):
    (name,) = changed("profiles")
    small.run_stage("patch", name, f"--{tower}", f"data/export/vit/{tower}", tmp_path / name)
    assert cosine_min(tmp_path / name, tmp_path / "eval.json") > 0.999999
