"""`pip install` into an empty environment, and README's example there."""

import re
import subprocess
import sys

import pytest

import small

pytestmark = pytest.mark.slow  # it downloads packages


def run(*line, cwd):
    done = subprocess.run([*map(str, line)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The bin/ of an environment that has the library alone."""
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    # From a copy: a build leaves its folders beside pyproject.toml.
    copied = ["clip_onnx", "pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY.md"]
    (folder / "source").mkdir()
    run("cp", "-r", *(small.ROOT / name for name in copied), folder / "source", cwd=folder)
    run(folder / "venv/bin/pip", "install", "--quiet", "./source", cwd=folder)
    return folder / "venv/bin"


def test_the_example_of_readme_runs_there_without_torch(environment):
    bundle = small.ROOT / "data/bundles/tiny-vit"
    (program,) = re.findall(
        r"```python\n(.*?)```", (small.ROOT / "README.md").read_text("utf-8"), re.S
    )
    program = program.replace("data/bundles/tiny-vit", str(bundle))
    missing = "\nfor name in ('torch', 'onnx', 'pydantic'):\n    assert not find_spec(name), name"
    program = f"from importlib.util import find_spec\n{program}{missing}"
    printed = run(environment / "python", "-c", program, cwd=environment)
    assert printed.splitlines()[-1] == "large red circle"


def test_the_command_is_installed(environment):
    bundle = small.ROOT / "data/bundles/tiny-rn"
    assert "vision_model.onnx" in run(environment / "clip-onnx", "verify", bundle, cwd=environment)
