"""Gather every file's metrics into the ones that git keeps.

    python -m stages.report data/eval metrics/parity.json metrics/controls.json \\
        metrics/parity.csv metrics/table.md metrics/widths.csv metrics/widths.svg \\
        metrics/cosines.csv
    python -m stages.report --against origin/main

The first form writes {model: {graph: {variant: metrics}}}, with `known_answers` of a model that has
some; {model: {graph: {control, reference}}}, which are no figures of files: the negative control
and the reference's own accuracy; one row a file; README's table; for the files whose widths were
chosen tensor by tensor those and their picture; and how each file's cosines are distributed. What
lies there already stays where new figures differ by no more than noise (stages/noise.py). Which
files belong to it is the grid's word: leftovers of an earlier grid are not read. The second form
prints the comment on a pull request (stages/review.py).
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from stages import command, cosines, noise, params, review, widths
from stages.columns import FIGURES


def keys(grid):
    """(model, graph, variant) of everything that is measured like a file."""
    for model in grid.models:
        for graph, variant in grid.measured(model):
            yield model, graph, variant


def gather(directory, grid):
    """(metrics, controls, {file: the tensors that were rounded}, {file: {tensor: bits}})."""
    parity, controls, rounded, bits = {}, {}, {}, {}
    for model, graph, variant in keys(grid):
        content = json.loads((directory / f"{model}.{graph}.{variant}.json").read_text())
        parity.setdefault(model, {}).setdefault(graph, {})[variant] = content["metrics"]
        beside = {name: content[name] for name in ("control", "reference") if content[name]}
        controls.setdefault(model, {}).setdefault(graph, beside)
        bits[f"{model}.{graph}.{variant}"] = content["widths"]
        if content["rounded"]:
            rounded[f"{model}.{graph}.{variant}"] = content["rounded"]
    for model in grid.models:
        answers = json.loads((directory / f"{model}.known-answers.json").read_text())
        if answers:
            parity[model]["known_answers"] = answers
    return parity, controls, rounded, bits


def frame(parity, grid):
    """One row a file, with `cosine_error` = 1 - cosine_min for the plot."""
    rows = [
        {"file": f"{model}.{graph}.{variant}", "model": model, "graph": graph, "variant": variant}
        | parity[model][graph][variant]
        for model, graph, variant in keys(grid)
    ]
    table = pd.DataFrame(rows)
    table["cosine_error"] = (1 - table["cosine_min"]).clip(lower=cosines.CLOSEST).round(9)
    return table


def shortened(tensors):
    names = tensors.split(", ")
    return tensors if len(names) <= 3 else f"{len(names)} tensors"


def markdown(table, rounded):
    """The table that README shows."""
    table = table.reindex(columns=["file", *FIGURES])
    shown = table[["file"]].copy()
    for name, (title, form) in FIGURES.items():
        shown[title] = [form(x) if pd.notna(x) else "" for x in table[name]]
    text = shown.to_markdown(index=False, disable_numparse=True)
    if rounded:
        names = [f"`{file}` ({shortened(tensors)})" for file, tensors in rounded.items()]
        text += "\n\nNot bit-exact, because the checkpoint holds them in fp32: " + ", ".join(names)
    return text + "\n"


def is_mixed(settings, file):
    encoding = settings.encodings.get(file.split(".")[-1])
    return encoding and encoding.scheme == "mixed"


def former(path, read, nothing):
    """What lies at an output's path, or `nothing`: not there yet, or torn by a merge."""
    try:
        return read(path)
    except FileNotFoundError:
        return nothing
    except ValueError as error:
        print(f"{path} is not compared with, for it cannot be read: {command.first_line(error)}")
        return nothing


def dump(content, path):
    with command.output_file(path) as file:
        file.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def to_csv(table, path):
    with command.output_file(path) as file:
        table.to_csv(file, index=False)


def settle(measured, path, settings):
    """(the figures that stay and those that moved, what `path` held)."""
    old = former(path, lambda file: json.loads(file.read_text()), {})
    return noise.settled(old, measured, settings.noise), old


def others(old, new, grid):
    """Files that are not those whose figures were there before."""
    for model, graph, variant in keys(grid):
        before = old.get(model, {}).get(graph, {}).get(variant, {})
        if noise.is_other(before, new[model][graph][variant]):
            yield f"{model}.{graph}.{variant}"


def distributions(found, path, new, settings):
    """The table of how the files' cosines are distributed: rows of `path` where they stay."""
    old = former(path, pd.read_csv, found[:0])
    return noise.quantiles(old, found, new, settings.noise)


def write(paths):
    """The report itself, from the folder of evaluations to seven files."""
    settings = params.load()
    measured, controls, rounded, bits = gather(paths.evaluations, settings.grid)
    parity, old = settle(measured, paths.parity, settings)
    controls, _ = settle(controls, paths.controls, settings)
    table, new = frame(parity, settings.grid), others(old, parity, settings.grid)
    found = cosines.frame(cosines.read(paths.evaluations, table["file"]))
    chosen = {file: its for file, its in bits.items() if its and is_mixed(settings, file)}
    to_csv(distributions(found, paths.cosines, set(new), settings), paths.cosines)
    dump(parity, paths.parity)
    dump(controls, paths.controls)
    to_csv(table, paths.rows)
    with command.output_file(paths.table) as file:
        file.write_text(markdown(table, rounded))
    to_csv(widths.frame(chosen), paths.widths)
    with command.output_file(paths.picture) as file:
        widths.draw(chosen, file)
    kept, every = noise.kept(old, parity)
    print(f"kept {kept} of {every} figures: they moved less than noise")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = "evaluations", "parity", "controls", "rows", "table", "widths", "picture", "cosines"
    for name in names:
        parser.add_argument(name, type=Path, nargs="?")
    parser.add_argument("--against", metavar="REV", help="print what differs from a revision")
    arguments = parser.parse_args()
    paths = [getattr(arguments, name) for name in names]
    if arguments.against and not any(paths):
        print(review.comment(arguments.against), end="")
    elif all(paths) and not arguments.against:
        write(arguments)
    else:
        parser.error("give all eight paths, or --against REV alone")


if __name__ == "__main__":
    command.run(main)
