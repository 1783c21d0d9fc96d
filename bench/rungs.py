"""The records of bench/ladder.json, a rung each, as Markdown tables."""

from itertools import groupby
from pathlib import Path

import pandas

RECORDS = Path("bench/ladder.json")
WHOSE = OURS, EARLIER = "ours", "earlier"  # what a record's `by` may be
FIGURES = {  # of a record: (its unit, how all rungs together are, how a number is written)
    "wall_s": ("s", sum, "{:.1f}"),
    "cpu_s": ("CPU s", sum, "{:.1f}"),
    "peak_rss_mb": ("MB", max, "{:.0f}"),
}


def markdown(records):
    """A section a model."""
    grouped = groupby(records, key=lambda record: record["model"])
    return "".join(section(model, list(of_model)) for model, of_model in grouped)


def section(model, records):
    commits = {by: record["commit"] for by in WHOSE for record in records if record["by"] == by}
    ours, *earlier = commits.values()
    paragraph = beside(ours, *earlier) if earlier else ""
    return f"""## The calibrated ladder of {model}

Written by `python -m bench.ladder`: what calibrates {model} and makes its files in fewer bits from
the `fp32` ones, at commit {ours}, a process a row. The last row is of them all: the sum of the
seconds, the highest peak of memory.{paragraph}

{table(model, records, commits).to_markdown(index=False, disable_numparse=True)}

"""


def beside(ours, earlier):
    return f"""

{earlier} did the same in turns with it, on the same checkpoint and the same evaluation set; a ratio
is of {ours} to {earlier}. Where a cell is blank, that commit has no such stage."""


def table(model, records, commits):
    """A row a rung, and one of all: each figure of both commits, and their ratio."""
    found = {(record["item"], record["by"]): record for record in records}
    items = dict.fromkeys(record["item"] for record in records)
    rows = [
        row(item.removeprefix(f"{model}."), {by: found.get((item, by)) for by in commits}, commits)
        for item in items
    ]
    everything = {by: total([r for r in records if r["by"] == by]) for by in commits}
    return pandas.DataFrame([*rows, row("all", everything, commits)])


def total(records):
    """The figures of several rungs as one record's."""
    return {name: whole(r[name] for r in records) for name, (_, whole, _) in FIGURES.items()}


def row(name, sides, commits):
    """`sides`: {by: a record, or None where that commit has no such stage}."""
    cells = {"stage": name}
    for figure, (unit, _, template) in FIGURES.items():
        for by, side in sides.items():
            cells[f"{unit}, {commits[by]}"] = template.format(side[figure]) if side else ""
        if len(commits) > 1:
            cells[f"{unit}, ratio"] = ratio(*(side and side[figure] for side in sides.values()))
    return cells


def ratio(ours, earlier):
    return f"{ours / earlier:.2f}" if ours is not None and earlier else ""
