"""Run the committed pipeline again from nothing and compare every file with what git holds.

    python -m tools.rerun build/rerun.md

Clones HEAD into build/rerun with an empty cache, runs `dvc repro` there, and writes what differs as
Markdown. Files that people take must have the committed bytes on any CPU, and so must what is
traced and patched on the way. What is measured may differ in its last digits: it is listed, and
judged by the gate.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
import yaml

from clip_onnx import command
from tools import fresh
from tools.review import changes

FOLDER = Path("build/rerun")
EQUAL = ("pins.json", "checkpoints", "export", "patch", *fresh.SHIPPED)  # of data/


def outputs(text):
    """{path: md5} of every output in a dvc.lock's text."""
    stages = yaml.safe_load(text)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}


def must_be_equal(path):
    """Whether an output has the same bytes on every machine (contract 2)."""
    place = Path(path).parts
    return place[0] == "data" and place[1] in EQUAL


def compare(committed, now):
    """A table of the outputs that differ."""
    rows = [
        {
            "output": f"`{path}`",
            "committed": committed.get(path, "-")[:8],
            "now": now.get(path, "-")[:8],
            "allowed": "no" if must_be_equal(path) else "measured",
        }
        for path in sorted(committed.keys() | now.keys())
        if committed.get(path) != now.get(path)
    ]
    return pd.DataFrame(rows, columns=["output", "committed", "now", "allowed"])


def describe(commit, table, gate, metrics):
    lines = [f"Commit `{commit}`, run again from nothing."]
    lines += [changes.markdown(table) if len(table) else "Every output is as committed."]
    passed, said = gate
    lines += [] if passed else [f"The gate fails:\n\n```\n{said[-4000:]}\n```"]
    return "\n\n".join([*lines, metrics])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path)
    report = parser.parse_args().report
    report.unlink(missing_ok=True)
    fresh.clone(FOLDER)
    commit = fresh.printed(".", "rev-parse", "--short", "HEAD")
    try:
        fresh.build(FOLDER)
    except command.Refusal:
        fresh.write(report, f"Commit `{commit}` does not build any more: see the log.")
        raise
    table = compare(*(outputs((root / "dvc.lock").read_text("utf-8")) for root in (Path(), FOLDER)))
    gate = fresh.said(FOLDER, "pytest", "tests/test_parity.py")
    _, metrics = fresh.said(FOLDER, "tools.review", "HEAD")
    fresh.write(report, describe(commit, table, gate, metrics))
    if not gate[0] or "no" in set(table["allowed"]):
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
