"""Programs of LiteRT's environment: its interpreter, and the converter to its files.

They need Python 3.12 or later and other versions of the packages, hence an environment of
their own.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from clip_onnx import command

PYTHON, CONVERTER = Path(".venv-litert/bin/python"), Path(".venv-litert/bin/onnx2tf")
PROGRAM = Path(__file__).parent / "litert_run.py"
FILE = "model.tflite"
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


def run(file, feeds):
    """{output: array [n, …]} of a .tflite file for {input: array [n, …]}."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(given, **feeds)
        call([PYTHON, PROGRAM, file, given, found])
        return dict(np.load(found))
