"""The report as one HTML page that needs no network, in build/report.html.

    python -m tools.page [build/report.html]

Shows what git has in metrics/, judged by params.yaml: a table to sort, size against error, the file
to take for a cosine that one drags, how cosines are distributed, and widths chosen by tensor. Links
lead to data/ and are relative.
"""

import argparse
import html
import json
import os
import re
from pathlib import Path

import altair as alt
import pandas as pd
import vl_convert

from clip_onnx import command
from clip_onnx.names import PYTORCH, TOWERS
from clip_onnx.settings import params
from stages.bundle import golden
from stages.report.columns import FIGURES
from tools import charts, floors

METRICS = Path("metrics")
TEMPLATE = Path(__file__).with_suffix(".html")
# A digit more of the size, so that sorting by what is shown is sorting by it.
COLUMNS = FIGURES | {"size_mb": ("MB", "{:.3f}".format), "floor": ("floor", "{:g}".format)}


def present(name):
    path = METRICS / name
    if not path.exists():
        raise command.Refusal(f"{path} is missing: run `make`, or check it out of git")
    return path


def read(name):
    return pd.read_csv(present(name))


def href(row, root):
    return f"{root}/data/models/{row.model}/{row.graph}/{row.variant}/model.onnx"


def link(address, text):
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def named(row, root):
    """A file's name, which leads to it. OpenAI's own code is no file."""
    return row.file if row.variant == PYTORCH else link(href(row, root), row.file)


def bundled(settings):
    """{file: its place in data/bundles} of the files that bundles hold."""
    return {
        file["key"]: f"data/bundles/{model}/{name}"
        for model in settings.grid.models
        for name, file in planned(model, settings).items()
    }


def planned(model, settings):
    """golden.files of what the grid builds, whether it lies here or not."""
    of_grid = {*settings.grid.files(model)}
    return golden.files(model, settings, lambda *key: key in of_grid)


def figures(name):
    """The content of a JSON file of metrics/."""
    return json.loads(present(name).read_text("utf-8"))


def judged(settings):
    """Every figure with a floor, of tools/floors.py."""
    return floors.judged(figures("parity.json"), figures("controls.json"), settings)


def judgements(settings):
    """{file: (the least cosine, what the gate says)} of the files with a floor."""
    cases = floors.cases(figures("parity.json"), settings)
    found = {f"{m}.{graph}.{v}": (floor, []) for m, graph, v, floor in cases}
    for one in judged(settings):
        if one.key in found and not one.holds:
            found[one.key][1].append(one.metric)
    return {
        key: (floor.cosine_min, f"fails: {', '.join(broken)}" if broken else "holds")
        for key, (floor, broken) in found.items()
    }


def known_answers(settings):
    """How many published answers models give, and a line for each that is missed, in HTML."""
    found = [one for one in judged(settings) if ".known_answers." in one.key]
    if not found:
        return ""
    missed = "".join(f'<p class="broken">{one}</p>\n' for one in found if not one.holds)
    return f"<p>Known answers: {sum(one.holds for one in found)} of {len(found)}.</p>\n{missed}"


def results(table, settings, root):
    """The table of every file, in HTML."""
    verdicts, places = judgements(settings), bundled(settings)
    table = table.reindex(columns=dict.fromkeys([*table, *FIGURES]))  # one tower has no top-1
    table = table.assign(
        floor=[verdicts.get(file, (None, ""))[0] for file in table["file"]],
        gate=[verdicts.get(file, (None, ""))[1] for file in table["file"]],
    )
    shown = pd.DataFrame({"file": [named(row, root) for row in table.itertuples()]})
    for name, (title, formatter) in COLUMNS.items():
        texts = [formatter(value) if pd.notna(value) else "" for value in table[name]]
        shown[title] = [html.escape(text) for text in texts]
    shown["gate"] = [
        f'<span class="broken">{said}</span>' if said.startswith("fails") else said
        for said in table["gate"]
    ]
    shown["bundle"] = [
        link(f"{root}/{places[file]}", Path(places[file]).name) if file in places else ""
        for file in table["file"]
    ]
    return shown.to_html(index=False, escape=False, table_id="results", border=0)


def candidates(table, settings):
    """The files that a floor chooses from: the towers in every encoding."""
    towers, encodings = TOWERS, settings.encodings
    return table[table["graph"].isin(towers) & table["variant"].isin(encodings)]


def literal(value):
    """A value as JavaScript, without the characters that could end its script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def source(code):
    """JavaScript within a script element, which would end at an end tag of any case."""
    return re.sub("</(?=script)", r"<\\/", code, flags=re.IGNORECASE)


def fill(template, contents):
    """The template with {marker: content} in it, at one go: contents are not searched."""
    markers = "|".join(map(re.escape, contents))
    return re.sub(markers, lambda found: contents[found[0]], template)


def page(settings, root=".."):
    """The whole page, from whose folder the project's is `root`."""
    table = read("parity.csv")
    chosen = candidates(table, settings)
    drawn = {
        "size": charts.size_and_error(table, chosen),
        "distribution": charts.distribution(read("cosines.csv")),
        "widths": charts.bits(read("widths.csv")),
    }
    specs = {name: chart.to_dict() for name, chart in drawn.items()}
    listed = chosen[["model", "graph", "file", "size_mb", "cosine_min"]].to_dict("records")
    for entry, row in zip(listed, chosen.itertuples(), strict=True):
        entry["href"] = href(row, root)
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    contents = {
        "<!-- results -->": known_answers(settings) + results(table, settings, root),
        "/* charts */null": literal(specs),
        "/* candidates */null": literal(listed),
        "/* libraries */": source(vl_convert.javascript_bundle(vl_version=version)),
    }
    return fill(TEMPLATE.read_text("utf-8"), contents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path, nargs="?", default=Path("build/report.html"))
    arguments = parser.parse_args()
    settings = params.load()
    with command.output_file(arguments.output) as file:
        file.write_text(page(settings, os.path.relpath(".", arguments.output.parent)), "utf-8")
    print(arguments.output)


if __name__ == "__main__":
    command.run(main)
