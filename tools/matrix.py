"""README's table of files and runtimes, from metrics/runtimes.json."""

from pathlib import Path

import pandas as pd

from clip_onnx.settings import params
from tools import kept

METRICS = Path("metrics/runtimes.json")
COLUMNS = {
    "onnxruntime-web": "ORT Web",
    "onnxruntime-web-threads": "ORT Web, threads",
    "onnxruntime-web-webgpu": "ORT Web, WebGPU",
    "transformers-js-node": "transformers.js, Node",
    "transformers-js-web": "transformers.js, Chromium",
    "onnxjs": "onnx.js",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "c-api": "ORT in C",
}
CLOSE, WRONG = 0.99999, 0.99  # to ONNX Runtime on the same file


class Notes:
    """Numbered lines below the table, each once."""

    def __init__(self):
        self.lines = []

    def mark(self, line):
        """`(3)` for a line."""
        if line not in self.lines:
            self.lines.append(line)
        return f"({self.lines.index(line) + 1})"


def cell(found, notes):
    """The worst cosine of {model: metrics}, or the note that says why a model does not run."""
    refused = {model: metrics["reason"] for model, metrics in found.items() if "reason" in metrics}
    if refused:
        reason = next(iter(refused.values()))
        only = f"{', '.join(refused)}: " if len(refused) < len(found) else ""
        return f"no {notes.mark(only + reason)}"
    if not found:
        return ""
    shown = f"{min(metrics['cosine'] for metrics in found.values()):.7f}"
    worst = min(found, key=lambda model: found[model]["runtime_cosine"])
    own = found[worst]["runtime_cosine"]
    if own < WRONG:
        return f"wrong {notes.mark(f'{worst}: below {WRONG} against ORT on the same file')}"
    if own < CLOSE:
        shown += " " + notes.mark(f"below {CLOSE} against ORT on the same file")
    return shown


def given(metrics):
    """(graph, variant) of everything that some runtime was given."""
    return {
        (graph, variant)
        for models in metrics.values()
        for graphs in models.values()
        for graph, variants in graphs.items()
        for variant in variants
    }


def row(metrics, graph, variant, notes):
    """{column: cell} of one file, of all models."""
    cells = {"file": f"{graph}.{variant}"}
    for runtime, title in COLUMNS.items():
        of_models = {
            model: graphs[graph][variant]
            for model, graphs in metrics.get(runtime, {}).items()
            if variant in graphs.get(graph, {})
        }
        cells[title] = cell(of_models, notes)
    return cells


def table(metrics, grid):
    """Markdown: a row a file, a column a runtime, and the notes that cells refer to."""
    files = dict.fromkeys(file for model in grid.models for file in grid.files(model))
    graphs = list(dict.fromkeys(graph for graph, _ in files))
    shown = sorted(given(metrics) & files.keys(), key=list(files).index)
    shown = sorted(shown, key=lambda file: graphs.index(file[0]))
    notes = Notes()
    rows = [row(metrics, graph, variant, notes) for graph, variant in shown]
    text = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    lines = [f"({number}) {line}" for number, line in enumerate(notes.lines, 1)]
    return "\n\n".join([text, *lines])


def current():
    """The table of the metrics that git has."""
    return table(kept.json_of(METRICS), params.load().grid)
