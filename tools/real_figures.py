"""metrics/openai.json: what OpenAI's own weights gave, one entry a model, and how pages show it.

    {model: {"sha256", "commit", "figures": {tower: {encoding: figures}}, "known_answers"}}

The figures are those of metrics/parity.json. An entry that `make real` measures again stays, commit
included, as long as its figures differ by no more than noise (stages/report/noise.py).
"""

import json
from pathlib import Path

import pandas as pd

from clip_onnx import command
from clip_onnx.names import TOWERS
from stages.report import columns, figures, noise
from tools import floors

FILE = Path("metrics/openai.json")
SHOWN = "vit-b-32"  # in README, if it is there; else the first of params.yaml
BRIEF = ("encoding", "MB", "worst cosine", "of the pictures", "of the texts")
KEPT = ("size_mb", "cosine_min", "snr_db", "accuracy", "inputs")
COMPARED = ("figures", "known_answers")
EXPLAINED = (
    "Sizes are of both towers together, cosines and SNR the worse of the two; `int8-static` is of"
    " the visual tower alone."
)
NOT_YET = (
    "Figures on OpenAI's own weights are not here yet: `make real MODEL=vit-b-32` downloads such a"
    " model and makes them."
)


def read():
    """The entries that are there, {} before the first."""
    try:
        content = json.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise command.Refusal(f"{FILE} is no JSON object: git restore {FILE}, or mend it")
    return content


def entry(graphs, encodings, sha256, commit):
    """A model's entry, from its part of metrics/parity.json."""
    found = {
        tower: {
            name: {key: graphs[tower][name][key] for key in KEPT if key in graphs[tower][name]}
            for name in encodings
            if name in graphs[tower]
        }
        for tower in TOWERS
    }
    answers = graphs.get("known_answers", {})
    return {"sha256": sha256, "commit": commit, "figures": found, "known_answers": answers}


def settled(old, new, margins):
    """A model's new entry, or the old one where nothing moved by more than `noise:` allows."""
    if not old or old["sha256"] != new["sha256"]:
        return new
    kept = {key: noise.settled(old[key], new[key], margins) for key in COMPARED}
    return old if all(kept[key] == old[key] for key in COMPARED) else new | kept


def merge(model, new, margins):
    """Put a model's entry into the file, beside those of others. Returns what stands there now."""
    entries = read()
    entries[model] = settled(entries.get(model), new, margins)
    figures.dump(entries, FILE)
    return entries[model]


def row(name, files):
    """What tables show of an encoding, from the figures of its towers."""
    of = {tower: file["cosine_min"] for tower, file in files.items()}
    return {
        "encoding": f"`{name}`",
        "MB": f"{megabytes(files):.2f}",
        "worst cosine": cell("cosine_min", lowest(of.values())),
        "of the pictures": cell("cosine_min", of.get("visual")),
        "of the texts": cell("cosine_min", of.get("textual")),
        "SNR, dB": cell("snr_db", lowest(file["snr_db"] for file in files.values())),
        "accuracy": cell("accuracy", files.get("visual", {}).get("accuracy")),
    }


def megabytes(files):
    return sum(file["size_mb"] for file in files.values())


def lowest(values):
    """The lowest of some figures, None if one of them is none: its embeddings are not finite."""
    values = list(values)
    return None if None in values else min(values)


def cell(name, value):
    return "" if value is None else columns.FIGURES[name][1](value)


def rows(found):
    """A row an encoding of a model's entry, the largest file first."""
    towers = found["figures"]
    names = dict.fromkeys(name for encodings in towers.values() for name in encodings)
    files = {
        name: {tower: encodings[name] for tower, encodings in towers.items() if name in encodings}
        for name in names
    }
    return [row(name, files[name]) for name in sorted(files, key=lambda n: -megabytes(files[n]))]


def table(entries):
    """Markdown: a row an encoding of each model."""
    listed = [{"model": model} | one for model, found in entries.items() for one in rows(found)]
    return markdown(listed)


def markdown(listed):
    return pd.DataFrame(listed).to_markdown(index=False, disable_numparse=True)


def in_order(models):
    """The entries that are there, in the order in which params.yaml has their models."""
    entries = read()
    return {model: entries[model] for model in models if model in entries}


def results(models):
    """The section of docs/results.md."""
    entries = in_order(models)
    if not entries:
        return NOT_YET
    told = ", ".join(
        f"`{model}` {floors.met(found['known_answers'].values())} ({found['commit']})"
        for model, found in entries.items()
    )
    answers = f"Known answers that were met, and the commit that was measured: {told}."
    return "\n\n".join([table(entries), EXPLAINED, answers])


def in_brief(models):
    """The section of README: one model, as the table beside it."""
    entries = in_order(models)
    if not entries:
        return NOT_YET
    model = SHOWN if SHOWN in entries else next(iter(entries))
    shown = [{name: one[name] for name in BRIEF} for one in rows(entries[model])]
    return f"{markdown(shown)}\n\nBoth towers of OpenAI's `{model}`."
