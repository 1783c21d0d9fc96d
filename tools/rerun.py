"""Run the committed pipeline again from nothing and compare every file with what git holds.

    python -m tools.rerun build/rerun.md

Clones HEAD into build/rerun with an empty cache, runs `dvc repro` there, and writes what differs as
Markdown. What contract 2 lets differ between kinds of CPU is listed and allowed, unless the
references came out as they were: then this is the same kind, and every byte must be.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from stages import changes, command, params, transfer
from tools import build_one

FOLDER = Path("build/rerun")
ANYWHERE = ("checkpoints", "export", "patch")  # folders of data/ that no CPU shapes
UNCALIBRATED = ("none", "half")  # schemes
MOST_CHARACTERS = 60000  # GitHub takes 65536 in an issue
TWO_BYTES = 16  # bits of weights that are rounded without calibration, too


def run(*line, **options):
    return subprocess.run(line, **options)


def clone(folder):
    """HEAD in a folder of its own, with the pictures and checkpoints that git does not hold."""
    if run("git", "status", "--porcelain", capture_output=True, text=True).stdout:
        raise command.Refusal("the working tree differs from HEAD, which is rerun: commit first")
    shutil.rmtree(folder, ignore_errors=True)
    run("git", "clone", "--quiet", ".", folder, check=True)
    settings = params.load()
    models = [settings.models[name] for name in settings.grid.models]
    checkpoints = [transfer.local_path(model.source) for model in models if not model.remote]
    for path in (*checkpoints, settings.evalset.images, settings.evalset.captions):
        build_one.reach(folder, path)


def outputs(text):
    """{path: md5} of every output in a dvc.lock's text."""
    stages = yaml.safe_load(text)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}


def same_anywhere(path, settings):
    """Whether an output has the same bytes on every machine (contract 2)."""
    place = Path(path).parts
    if place[:2] != ("data", "models"):
        return place[0] == "data" and place[1] in (*ANYWHERE, "pins.json")
    graph, variant = place[3:5]
    product = settings.products.get(graph)
    if product and product.kind == "classifier":
        return False  # it holds texts as this CPU embeds them
    encoding = settings.encodings.get(variant)
    if encoding is None or encoding.scheme in UNCALIBRATED:
        return True
    return encoding.scheme == "weight_only" and encoding.bits == TWO_BYTES


def compare(committed, now, settings):
    """(table of the outputs that differ, whether this is the CPU that the lock is from)."""
    references = [path for path in committed if path.startswith("data/reference/")]
    same_cpu = all(now.get(path) == committed[path] for path in references)
    rows = [
        {
            "output": f"`{path}`",
            "committed": committed.get(path, "-")[:8],
            "now": now.get(path, "-")[:8],
            "allowed": "no" if same_cpu or same_anywhere(path, settings) else "another CPU",
        }
        for path in sorted(committed.keys() | now.keys())
        if committed.get(path) != now.get(path)
    ]
    return pd.DataFrame(rows, columns=["output", "committed", "now", "allowed"]), same_cpu


def captured(folder, *arguments):
    """(whether a program of this Python succeeded in a folder, what it printed)."""
    line = (sys.executable, "-m", *arguments)
    result = run(*line, cwd=folder, capture_output=True, text=True)
    return result.returncode == 0, (result.stdout + result.stderr).strip()


def describe(commit, table, same_cpu, gate, metrics):
    kind = "the same kind" if same_cpu else "another kind"
    lines = [f"Commit `{commit}`, run again from nothing on {kind} of CPU."]
    lines += [changes.markdown(table) if len(table) else "Every output is as committed."]
    passed, said = gate
    lines += [] if passed else [f"The gate fails:\n\n```\n{said[-4000:]}\n```"]
    return "\n\n".join([*lines, metrics])[:MOST_CHARACTERS] + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path)
    report = parser.parse_args().report
    settings = params.load()
    report.unlink(missing_ok=True)
    clone(FOLDER)
    commit = run("git", "rev-parse", "--short", "HEAD", capture_output=True, text=True).stdout
    if run(sys.executable, "-m", "dvc", "repro", "--force", cwd=FOLDER).returncode:
        with command.output_file(report) as file:
            file.write_text(f"Commit `{commit.strip()}` does not build any more: see the log.\n")
        raise command.Refusal(f"dvc repro failed in {FOLDER}; its output is above")
    committed, now = (outputs((root / "dvc.lock").read_text()) for root in (Path(), FOLDER))
    table, same_cpu = compare(committed, now, settings)
    gate = captured(FOLDER, "pytest", "tests/test_parity.py")
    _, metrics = captured(FOLDER, "stages.report", "--against", "HEAD")
    text = describe(commit.strip(), table, same_cpu, gate, metrics)
    with command.output_file(report) as file:
        file.write_text(text)
    print(text)
    if not gate[0] or "no" in set(table["allowed"]):
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
