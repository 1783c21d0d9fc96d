"""Build OpenAI's models in every encoding of the grid, and note what their weights give.

    python -m tools.real MODEL …

A model is built in a workspace of its own, as by tools/build_one.py, so that params.yaml, data/ and
metrics/parity.json stay as they are, whatever ends the run; the next one goes on where it stopped.
Figures and known answers go into metrics/openai.json, folders to ship into build/real. Profiles and
products, which take as much disk again, are left to `make model`.
"""

import argparse
import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

from bench import records
from clip_onnx import command
from clip_onnx.settings import params
from stages.download import addresses
from tools import build, build_one, floors, fresh, real_figures

FOLDER = Path("build/real")
WORKSPACES = FOLDER / "workspaces"
REPORT = Path("build/real.md")
ANSWERS = "stages/check/known_answers.json"
CODE = (*build_one.CODE, *build_one.COPIED, "params.yaml")  # what decides the figures


def official(model):
    """Whether a model of params.yaml is one of OpenAI's: its address carries its SHA-256."""
    return model.source.startswith(f"{addresses.OFFICIAL}/{model.sha256}/")


def chosen(settings, names):
    """{name: model} of those named, each once."""
    known = ", ".join(name for name, model in settings.models.items() if official(model))
    if not names:
        raise command.Refusal(f"no model is named: make real MODEL=…, one or several of {known}")
    for name in names:
        if name not in settings.models:
            raise command.Refusal(f"params.yaml has no models.{name}: name one of {known}")
        if not official(settings.models[name]):
            raise command.Refusal(
                f"models.{name} of params.yaml is not OpenAI's, whose address carries the SHA-256:"
                f" name one of {known}"
            )
    return {name: settings.models[name] for name in names}


def content(name, model):
    """params.yaml's content for the towers of one model in every encoding of the grid."""
    found = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    resnet = model.source.rpartition("/")[2].startswith("RN")
    found["grid"] |= {"models": [name], "resnets": [name] if resnet else []}
    found["grid"] |= {"profiles": [], "products": [], "composed": []}
    found["bundle"] = {}
    found["floors"].setdefault(name, {})
    return found


def workspace(name, model):
    """Returns the folder in which a model is built."""
    folder, settings = WORKSPACES / name, content(name, model)
    build_one.workspace(folder, settings, name)
    answers = settings["known_answers"]
    if answers["pictures"]:
        answers["pictures"] = build_one.reach(folder, answers["pictures"])
        (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    return folder


def commit():
    """The commit of the code, marked where the working tree has other code."""
    line = ["git", "status", "--porcelain", "--", *CODE]
    changed = subprocess.run(line, capture_output=True, text=True).stdout
    return records.commit() + ("-dirty" if changed else "")


def measured(name, model, folder, settings):
    """Build a model and put its entry into metrics/openai.json. Returns the entry."""
    revision = commit()  # that of the copy in the workspace, whatever is committed meanwhile
    build.elsewhere(name, folder, *build_one.WANTED)
    parity = json.loads((folder / "metrics/parity.json").read_text("utf-8"))[name]
    new = real_figures.entry(parity, settings.grid.encodings.all, model.sha256, revision)
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    os.replace(folder / "data/bundles" / name, FOLDER / name)
    found = real_figures.merge(name, new, settings.noise)
    shutil.rmtree(folder)
    return found


def summary(entries):
    """What was measured, as Markdown that a terminal shows well."""
    answers = [one for found in entries.values() for one in found["known_answers"].values()]
    ship = ", ".join(str(FOLDER / name) for name in entries)
    return "\n\n".join(
        [
            real_figures.table(entries),
            f"known answers: {floors.met(answers)}",
            f"to ship: {ship}",
            f"commit {real_figures.FILE}",
        ]
    )


def unmet(entries):
    """The known answers that differ from what was published, by model and name."""
    return [
        f"{name}.{answer}"
        for name, found in entries.items()
        for answer, one in found["known_answers"].items()
        if not one["agrees"]
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*")
    settings = params.load()
    models = chosen(settings, parser.parse_args().models)
    real_figures.read()  # refuses what cannot be read before hours of work
    build.begin()
    folders = {name: workspace(name, model) for name, model in models.items()}
    for name, folder in folders.items():  # all, so that nothing is written where one cannot be had
        build.elsewhere(name, folder, f"download@{name}")
    entries = {
        name: measured(name, models[name], folder, settings) for name, folder in folders.items()
    }
    fresh.write(REPORT, summary(entries))
    if wrong := unmet(entries):
        raise command.Refusal(
            f"{', '.join(wrong)}: not as {ANSWERS} has it published; ship none of these files until"
            " it is known why"
        )


if __name__ == "__main__":
    command.run(main)
