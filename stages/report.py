"""Gather every file's metrics into the ones that git keeps.

    python -m stages.report data/eval metrics/parity.json metrics/parity.csv metrics/table.md \\
        metrics/widths.csv metrics/widths.svg metrics/cosines.csv
    python -m stages.report --against origin/main

The first form writes {model: {graph: {variant: metrics}}}, with `known_answers` of a model that has
some; one row a file; README's table; for the files whose widths were chosen tensor by tensor those
and their picture; and how each file's cosines are distributed. Which files belong to it is the
grid's word: leftovers of an earlier grid are not read. The second form prints the comment on a pull
request (stages/review.py).
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from stages import command, cosines, params, review, widths

FIGURES = {  # what tables show of a file, under which heading and in which form
    "size_mb": ("MB", "{:.2f}"),
    "cosine_min": ("worst cosine", "{:.7f}"),
    "cosine_mean": ("mean cosine", "{:.7f}"),
    "snr_db": ("SNR, dB", "{:.1f}"),
    "top1_agreement": ("same top-1", "{:.3f}"),
    "accuracy": ("accuracy", "{:.3f}"),
}


def keys(grid):
    """(model, graph, variant) of every file that the grid builds."""
    for model in grid.models:
        for graph, variant in grid.files(model):
            yield model, graph, variant


def gather(directory, grid):
    """(nested metrics, {file: the tensors that its encoding rounded}, {file: {tensor: bits}})."""
    parity, rounded, bits = {}, {}, {}
    for model, graph, variant in keys(grid):
        content = json.loads((directory / f"{model}.{graph}.{variant}.json").read_text())
        variants = parity.setdefault(model, {}).setdefault(graph, {})
        variants[variant] = content["metrics"]
        variants["control"] = content["control"]
        if content["reference"]:
            variants["reference"] = content["reference"]
        bits[f"{model}.{graph}.{variant}"] = content["widths"]
        if content["rounded"]:
            rounded[f"{model}.{graph}.{variant}"] = content["rounded"]
    for model in grid.models:
        answers = json.loads((directory / f"{model}.known-answers.json").read_text())
        if answers:
            parity[model]["known_answers"] = answers
    return parity, rounded, bits


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
        shown[title] = [form.format(x) if pd.notna(x) else "" for x in table[name]]
    text = shown.to_markdown(index=False, disable_numparse=True)
    if rounded:
        names = [f"`{file}` ({shortened(tensors)})" for file, tensors in rounded.items()]
        text += "\n\nNot bit-exact, because the checkpoint holds them in fp32: " + ", ".join(names)
    return text + "\n"


def is_mixed(settings, file):
    encoding = settings.encodings.get(file.split(".")[-1])
    return encoding and encoding.scheme == "mixed"


def write(paths):
    """The report itself, from the folder of evaluations to six files."""
    evaluations, parity_file, rows, markdown_file, widths_file, picture, quantiles = paths
    settings = params.load()
    grid = settings.grid
    parity, rounded, bits = gather(evaluations, grid)
    chosen = {
        file: of_tensors
        for file, of_tensors in bits.items()
        if of_tensors and is_mixed(settings, file)
    }
    table = frame(parity, grid)
    with command.output_file(parity_file) as file:
        file.write_text(json.dumps(parity, indent=1, sort_keys=True, allow_nan=False) + "\n")
    with command.output_file(rows) as file:
        table.to_csv(file, index=False)
    with command.output_file(markdown_file) as file:
        file.write_text(markdown(table, rounded))
    with command.output_file(widths_file) as file:
        widths.frame(chosen).to_csv(file, index=False)
    with command.output_file(picture) as file:
        widths.draw(chosen, file)
    with command.output_file(quantiles) as file:
        files = cosines.read(evaluations, table["file"])
        cosines.frame(files).to_csv(file, index=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = ("evaluations", "parity", "rows", "table", "widths", "picture", "cosines")
    for name in names:
        parser.add_argument(name, type=Path, nargs="?")
    parser.add_argument("--against", metavar="REV", help="print what differs from a revision")
    arguments = parser.parse_args()
    paths = [getattr(arguments, name) for name in names]
    if arguments.against and not any(paths):
        print(review.comment(arguments.against), end="")
    elif all(paths) and not arguments.against:
        write(paths)
    else:
        parser.error("give all seven paths, or --against REV alone")


if __name__ == "__main__":
    command.run(main)
