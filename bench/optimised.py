"""What `clip-onnx optimise` makes of a file: bytes, and memory while it loads and once it has run.

    python -m bench.optimised [MODEL …]

ViT-B/32's twin (random weights, OpenAI's architecture) without names. Each file of ENCODINGS is
measured by bench/load.py as it is stored, and as ONNX Runtime optimises it for this machine.
Memory and no times, for the gain in loading is the smaller part of it. Writes bench/optimised.json
and .md.
"""

import argparse
import itertools
import json
import shutil
from pathlib import Path

from bench import comparison, encodings, pipeline
from bench.records import commit, read, write
from clip_onnx import absent, command, graphs, optimise
from clip_onnx.checkpoint import architecture
from clip_onnx.names import TOWERS
from clip_onnx.settings import params

RECORDS = Path("bench/optimised.json")
FOLDER = Path("build/bench-optimised")
MODELS = ("vit-b-32",)
ENCODINGS = ("fp32", "int8w", "int4w", "int4r")
TARGETS = ("encode", "encode-by-sensitivity")


def measured(directory):
    """{size_mb, load_rss_mb, run_rss_mb} of a model's directory."""
    found = json.loads(encodings.run("bench.load", directory))
    size = round(graphs.size(directory) / 1e6, 3)
    return {"size_mb": size} | {name: found[name] for name in ("load_rss_mb", "run_rss_mb")}


def records_of(model, settings):
    """Two records a file of a model: as it is stored, and optimised."""
    twin = pipeline.twin(model, FOLDER / "twins") if settings.remote else None
    entry = settings.model_dump(exclude_none=True) | (pipeline.entry(twin) if twin else {})
    folder = FOLDER / model
    encodings.workspace(folder, model, entry, pipeline.TWINS_EVALSET, ENCODINGS)
    pipeline.make(model, folder, TARGETS)
    least = optimise.smallest(architecture.of(folder / "data/checkpoints" / model).context_length)
    for tower, encoding in itertools.product(TOWERS, ENCODINGS):
        stored = folder / "data/models" / model / tower / encoding
        if absent.why(stored):
            continue
        optimised = folder / "optimised" / tower / encoding
        shutil.rmtree(optimised, ignore_errors=True)  # of a stopped run
        optimised.mkdir(parents=True)
        optimise.write(stored / graphs.FILE, optimised / graphs.FILE, least)
        for form, directory in (("stored", stored), ("optimised", optimised)):
            about = {"model": model, "tower": tower, "encoding": encoding, "form": form}
            about |= {"synthetic": settings.remote, "commit": commit()}
            yield about | measured(directory)
        shutil.rmtree(optimised)


def row(stored, optimised):
    found = {
        "file": f"{comparison.label(stored)} {stored['tower']}",
        "encoding": stored["encoding"],
    }
    for name, title in (("size_mb", "MB"), ("load_rss_mb", "load MB"), ("run_rss_mb", "resident")):
        found[title] = f"{stored[name]:.0f}"
        found[f"{title}, optimised"] = f"{optimised[name]:.0f}"
    return found


def markdown(records):
    by_form = {form: [r for r in records if r["form"] == form] for form in ("stored", "optimised")}
    rows = [row(*pair) for pair in zip(*by_form.values(), strict=True)]
    commits = ", ".join(sorted({record["commit"] for record in records}))
    return f"""# Files as `clip-onnx optimise` writes them

Written by `python -m bench.optimised`, at commit {commits}: megabytes on disk, of the peak of a
process that loads the file, and of what is resident once it has run, pages of the file that
processes share among them. About 45 of them are Python, numpy and ONNX Runtime.

{comparison.table(rows)}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    known = params.load().models
    models = {name: params.lookup(known, name, "models") for name in parser.parse_args().models}
    for model, settings in models.items():
        fresh = list(records_of(model, settings))
        records = [record for record in read(RECORDS) if record["model"] != model] + fresh
        write(RECORDS, records)
        RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    command.run(main)
