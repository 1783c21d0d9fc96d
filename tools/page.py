"""The report as one HTML page that needs no network, in build/report.html.

    python -m tools.page [build/report.html] [--pages build/site/try]

Shows what git has in metrics/, judged by params.yaml: a table to sort, size against error, the file
to take for a cosine that one drags, how cosines are distributed, and widths chosen by tensor. Links
lead to data/, or into a folder of pages (web/build.py) that is published with it, and are relative.
"""

import argparse
import html
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import altair as alt
import pandas as pd
import vl_convert

from clip_onnx import command
from clip_onnx.names import PYTORCH, TOWERS
from clip_onnx.settings import params
from stages.bundle import golden
from stages.report.columns import FIGURES
from stages.report.figures import missing_target
from tools import charts, floors, kept

TEMPLATE, SCRIPT = (Path(__file__).with_suffix(suffix) for suffix in (".html", ".js"))
STYLE = Path("web/site/style.css")  # one look with the pages
HEADER = """<header><nav aria-label="Site"><a href="index.html">Docs</a>
<a href="{pages}/index.html">Try it in the browser</a></nav></header>"""
# A digit more of the size, so that sorting by what is shown is sorting by it.
COLUMNS = FIGURES | {"size_mb": ("MB", "{:.3f}".format), "floor": ("floor", "{:g}".format)}


class Links(NamedTuple):
    """{file: address} of the files themselves, and of those in folders to ship."""

    built: dict
    bundled: dict

    def to(self, file):
        return self.built.get(file) or self.bundled.get(file)


def links(table, settings, root):
    """Into data/, from a page from whose folder the project's is `root`."""
    built = {
        row.file: f"{root}/data/models/{row.model}/{row.graph}/{row.variant}/model.onnx"
        for row in table.itertuples()
        if row.variant != PYTORCH  # OpenAI's own code is no file
    }
    bundled = {
        file["key"]: f"{root}/data/bundles/{model}/{name}"
        for model in settings.grid.models
        for name, file in planned(model, settings).items()
    }
    return Links(built, bundled)


def published(table, pages, root):
    """Into a folder of pages, from a page from whose folder it is `root`.

    Those files that the pages have with the figures of the table; they may be of another revision.
    """
    figures = {row.file: row.cosine_min for row in table.itertuples()}
    addresses = {}
    for model in json.loads((pages / "models/index.json").read_text("utf-8"))["models"]:
        for file in model["files"]:
            key = f"{model['name']}.{file.get('name', file['graph'])}.{file['variant']}"
            if file["parity"] and file["parity"]["cosine_min"] == figures.get(key):
                addresses[key] = f"{root}/models/{file['path']}"
    return Links({}, addresses)


def link(address, text):
    """The text, which leads to an address where there is one."""
    text = html.escape(text)
    return f'<a href="{html.escape(address)}">{text}</a>' if address else text


def planned(model, settings):
    """golden.files of what the grid builds, whether it lies here or not."""
    of_grid = {*settings.grid.files(model)}
    return golden.files(model, settings, lambda *key: key in of_grid)


def judged(settings):
    """Every figure with a floor, of tools/floors.py."""
    names = ("parity", "controls")
    parity, controls = (kept.json_of(kept.METRICS / f"{name}.json") for name in names)
    return floors.judged(parity, controls, settings)


def judgements(settings):
    """{file: (the least cosine, what the gate says)} of the files with a floor."""
    cases = floors.cases(kept.json_of(kept.METRICS / "parity.json"), settings)
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


def results(table, settings, leads):
    """The table of every file, in HTML."""
    verdicts = judgements(settings)
    table = table.reindex(columns=dict.fromkeys([*table, *FIGURES]))  # one tower has no top-1
    table = table.assign(
        floor=[verdicts.get(file, (None, ""))[0] for file in table["file"]],
        gate=[verdicts.get(file, (None, ""))[1] for file in table["file"]],
    )
    shown = pd.DataFrame({"file": [link(leads.built.get(file), file) for file in table["file"]]})
    for name, (title, formatter) in COLUMNS.items():
        texts = [formatter(value) if pd.notna(value) else "" for value in table[name]]
        shown[title] = [html.escape(text) for text in texts]
    shown["gate"] = [
        f'<span class="broken">{said}</span>' if said.startswith("fails") else said
        for said in table["gate"]
    ]
    shown["bundle"] = [
        link(leads.bundled[file], Path(leads.bundled[file]).name) if file in leads.bundled else ""
        for file in table["file"]
    ]
    found = shown.to_html(index=False, escape=False, table_id="results", border=0)
    if missed := ", ".join(missing_target(table)):
        found += f"<p>Less close than their <code>target_cosine</code>: {html.escape(missed)}.</p>"
    return found


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


def page(settings, leads, header=""):
    """The whole page, whose files lead to `leads`; header: what stands above it, in HTML."""
    table = kept.csv_of(kept.METRICS / "parity.csv")
    chosen = candidates(table, settings).dropna(subset="cosine_min")
    drawn = {
        "size": charts.size_and_error(chosen),
        "distribution": charts.distribution(kept.csv_of(kept.METRICS / "cosines.csv").dropna()),
        "widths": charts.bits(kept.csv_of(kept.METRICS / "widths.csv")),
    }
    specs = {name: chart.to_dict() for name, chart in drawn.items()}
    figures = ["model", "graph", "variant", "file", "size_mb", "cosine_min"]
    listed = chosen[figures].to_dict("records")
    for entry in listed:
        entry["href"] = leads.to(entry["file"])
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    contents = {
        "<!-- results -->": known_answers(settings) + results(table, settings, leads),
        "/* charts */null": literal(specs),
        "/* candidates */null": literal(listed),
        "/* libraries */": source(vl_convert.javascript_bundle(vl_version=version)),
        "/* script */": source(SCRIPT.read_text("utf-8")),
        "/* style */": STYLE.read_text("utf-8"),
        "<!-- header -->": header,
    }
    return fill(TEMPLATE.read_text("utf-8"), contents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path, nargs="?", default=Path("build/report.html"))
    parser.add_argument("--pages", type=Path, help="where links lead instead of to data/")
    arguments = parser.parse_args()
    settings, pages = params.load(), arguments.pages
    root = os.path.relpath(pages or ".", arguments.output.parent)
    parity = kept.csv_of(kept.METRICS / "parity.csv")
    leads = published(parity, pages, root) if pages else links(parity, settings, root)
    with command.output_file(arguments.output) as file:
        file.write_text(page(settings, leads, HEADER.format(pages=root) if pages else ""), "utf-8")
    print(arguments.output)


if __name__ == "__main__":
    command.run(main)
