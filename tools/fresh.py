"""HEAD in a clone of its own, run there from nothing, and the bytes that come out."""

import os
import shutil
import subprocess
import sys

import yaml

from clip_onnx import command
from clip_onnx.settings import params
from stages.download import addresses
from tools import build_one, sums

SHIPPED = ("models", "products", "bundles")  # folders of data/ that hold what people take
MOST_CHARACTERS = 60000  # of a report: GitHub takes 65536 in an issue


def run(*line, **options):
    return subprocess.run(line, text=True, **options)


def printed(folder, *line):
    """What a program of git says in a folder."""
    given = {"cwd": folder, "stdout": subprocess.PIPE, "check": True}
    return run("git", *line, **given).stdout.strip()


def said(folder, *arguments):
    """(whether a program of this Python succeeded in a folder, what it printed)."""
    line = (sys.executable, "-m", *arguments)
    result = run(*line, cwd=folder, capture_output=True)
    return result.returncode == 0, (result.stdout + result.stderr).strip()


def clone(folder, models=()):
    """HEAD with an empty cache, and with the pictures and checkpoints that git does not hold.

    `models` are those to build there, if not all of the grid.
    """
    if printed(".", "status", "--porcelain"):
        raise command.Refusal("the working tree differs from HEAD, which is rerun: commit first")
    settings = params.load()
    for name in models:
        params.lookup(settings.models, name, "models")
    shutil.rmtree(folder, ignore_errors=True)
    printed(".", "clone", "--quiet", ".", str(folder))
    if models:
        narrow(folder, models)
    chosen = [settings.models[name] for name in models or settings.grid.models]
    checkpoints = [addresses.local_path(model.source) for model in chosen if not model.remote]
    for path in (*checkpoints, settings.evalset.images, settings.evalset.captions):
        build_one.reach(folder, path)


def narrow(folder, models):
    """Leave some models alone in the grid of a clone."""
    file = folder / "params.yaml"
    content = yaml.safe_load(file.read_text("utf-8"))
    resnets = [name for name in content["grid"]["resnets"] if name in models]
    content["grid"] |= {"models": list(models), "resnets": resnets}
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def build(folder, **variables):
    """Every stage, whatever dvc.lock says, with some variables of the environment changed."""
    line = (sys.executable, "-m", "dvc", "repro", "--force")
    if run(*line, cwd=folder, env=os.environ | variables).returncode:
        raise command.Refusal(f"dvc repro failed in {folder}; its output is above")


def digests(folder):
    """{path: SHA-256} of every file that a clone made for people to take."""
    roots = [folder / "data" / name for name in SHIPPED]
    files = sorted(path for root in roots for path in root.rglob("*") if path.is_file())
    return sums.of(files, folder)


def write(report, text):
    """A report's file, and the same for who watches; cut where GitHub would refuse it."""
    with command.output_file(report) as file:
        file.write_text(text[:MOST_CHARACTERS] + "\n", "utf-8")
    print(text)
