"""Our towers in LiteRT's interpreter, as runtimes/litert_convert.py makes them.

    python -m runtimes.litert MODEL OUTPUT.json

LiteRT and its converter need Python 3.12 or later and other versions of the packages, so they
have an environment of their own.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from runtimes import comparison
from stages import command

PROFILE = "npu"  # what is converted
PYTHON, CONVERTER = Path(".venv-litert/bin/python"), Path(".venv-litert/bin/onnx2tf")
PROGRAM = Path(__file__).parent / "litert_run.py"
FILES, FILE = Path("data/litert"), "model.tflite"
COLOUR = re.compile(r"\x1b\[\d+m")


def missing():
    """What keeps LiteRT from running here, with the remedy, or None."""
    if not CONVERTER.exists():
        return "LiteRT is not installed: make .venv-litert/installed"
    return None


def call(arguments, **options):
    """Run a program of LiteRT's environment. Raises Refusal with the last line that it says."""
    if missing():
        raise command.Refusal(missing())
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    if done.returncode:
        said = COLOUR.sub("", done.stderr or done.stdout).strip().splitlines()
        raise command.Refusal(said[-1] if said else f"it ended with status {done.returncode}")


def run_file(file, feeds):
    """{output: array [n, …]} of a .tflite file for {input: array [n, …]}."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(given, **feeds)
        call([PYTHON, PROGRAM, file, given, found])
        return dict(np.load(found))


def run(model, feeds):
    """`run` of comparison.compare: what was made of data/models/MODEL/TOWER/PROFILE/model.onnx."""
    tower = model.parent.parent.relative_to(comparison.MODELS)
    return run_file(FILES / tower / FILE, feeds)


def measure(model):
    towers = [file for file in comparison.files(model, PROFILE) if file[1] == PROFILE]
    return {"litert": comparison.survey(model, towers, run)}


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
