"""Every file's metrics as tables, and those of git, which stay where new ones are but noise."""

import json

import pandas as pd

from clip_onnx import command
from stages.report import cosines, noise
from stages.report.columns import FIGURES


def keys(grid):
    """(model, graph, variant) of everything that is measured like a file."""
    for model in grid.models:
        for graph, variant in grid.files_and_pytorch(model):
            yield model, graph, variant


def present(parity, grid):
    """Those of `keys` that there are figures of: a model of one tower has none of the other."""
    for model, graph, variant in keys(grid):
        if variant in parity[model].get(graph, {}):
            yield model, graph, variant


def gather(directory, grid):
    """(metrics, controls, {file: the tensors that were rounded}, {file: {tensor: bits}}).

    Nothing of a file that is absent.
    """
    parity, controls, rounded, bits = {}, {}, {}, {}
    for model, graph, variant in keys(grid):
        content = json.loads((directory / f"{model}.{graph}.{variant}.json").read_text("utf-8"))
        if "absent" in content:
            continue
        parity.setdefault(model, {}).setdefault(graph, {})[variant] = content["metrics"]
        beside = {name: content[name] for name in ("control", "reference") if content[name]}
        controls.setdefault(model, {}).setdefault(graph, beside)
        bits[f"{model}.{graph}.{variant}"] = content["widths"]
        if content["rounded"]:
            rounded[f"{model}.{graph}.{variant}"] = content["rounded"]
    for model in grid.models:
        answers = json.loads((directory / f"{model}.known-answers.json").read_text("utf-8"))
        if answers:
            parity[model]["known_answers"] = answers
    return parity, controls, rounded, bits


def frame(parity, grid):
    """One row a file, with `cosine_error` = 1 - cosine_min for the plot."""
    rows = [
        {"file": f"{model}.{graph}.{variant}", "model": model, "graph": graph, "variant": variant}
        | parity[model][graph][variant]
        for model, graph, variant in present(parity, grid)
    ]
    table = pd.DataFrame(rows)
    table["cosine_error"] = (1 - table["cosine_min"]).clip(lower=cosines.CLOSEST).round(9)
    return table


def shortened(tensors):
    names = tensors.split(", ")
    return tensors if len(names) <= 3 else f"{len(names)} tensors"


def missing_target(table):
    """The files that no widths brought as close as their target asks for."""
    return table["file"][column(table, "target_met").eq(False)]


def column(table, name):
    """A column of a table, without values where no file has such a figure."""
    return table.get(name, pd.Series(index=table.index, dtype=object))


def markdown(table, rounded):
    """The table that README shows."""
    shown = table[["file"]].copy()
    for name, (title, formatter) in FIGURES.items():
        shown[title] = [formatter(x) if pd.notna(x) else "" for x in column(table, name)]
    text = shown.to_markdown(index=False, disable_numparse=True)
    if rounded:
        names = [f"`{file}` ({shortened(tensors)})" for file, tensors in rounded.items()]
        text += "\n\nNot bit-exact, because the checkpoint holds them in fp32: " + ", ".join(names)
    if missed := [f"`{file}`" for file in missing_target(table)]:
        text += "\n\nLess close than their `target_cosine` asks for: " + ", ".join(missed)
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
        file.write_text(
            json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8"
        )


def to_csv(table, path):
    with command.output_file(path) as file:
        table.to_csv(file, index=False)


def settle(measured, path, settings):
    """(the figures to write, the figures that `path` held)."""
    old = former(path, lambda file: json.loads(file.read_text("utf-8")), {})
    return noise.settled(old, measured, settings.noise), old


def others(old, new, grid):
    """The files whose figures in `old` are of another file under the same name, or missing."""
    for model, graph, variant in present(new, grid):
        before = old.get(model, {}).get(graph, {}).get(variant, {})
        if noise.is_other(before, new[model][graph][variant]):
            yield f"{model}.{graph}.{variant}"


def distributions(found, path, new, settings):
    """The table of how the files' cosines are distributed: rows of `path` where they stay."""
    old = former(path, pd.read_csv, found[:0])
    return noise.quantiles(old, found, new, settings.noise)
