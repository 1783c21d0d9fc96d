"""The pipeline in a workspace of its own: the twin that it starts from, the commands it runs."""

import hashlib
import shlex
import subprocess
import sys

from bench.process import measured
from stages import command

TWINS_EVALSET = {"crops": 2, "drawn": 128}  # one drawing of each class


def twin(model, folder):
    """The path of a model's twin in a folder, made if it is not there."""
    path = folder / f"{model}.pt"
    if not path.exists():
        with command.output_file(path) as partial:
            make = [sys.executable, "-m", "tools.make_twin", model, str(partial), "--outliers"]
            subprocess.run(make, check=True)
    return path


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commands(folder, targets):
    """The command lines that DVC would run up to some stages, in its order."""
    plan = [sys.executable, "-m", "dvc", "repro", "--dry", "--force", *targets]
    printed = subprocess.run(plan, cwd=folder, check=True, capture_output=True, text=True).stdout
    return [shlex.split(line[2:]) for line in printed.splitlines() if line.startswith("> ")]


def stage(arguments):
    """The stage of a command line."""
    return arguments[2].removeprefix("stages.")


def item(arguments):
    """A command line's name: the key of what it makes, and the stage."""
    output = arguments[-1].removesuffix(".json")
    parts = [part for part in output.split("/")[2:] if part != "std"]
    return ".".join([*parts, stage(arguments)])


def run_missing(model, folder, lines):
    """Run those command lines whose outputs are not there."""
    for arguments in lines:
        if not (folder / arguments[-1]).exists():
            print(f"{model}: {shlex.join(arguments[2:])}", flush=True)
            measured(arguments, folder, folder / "log.txt")


def make(model, folder, targets):
    """Run the commands up to some stages whose outputs are not there. Returns all of them."""
    lines = commands(folder, targets)
    run_missing(model, folder, lines)
    return lines
