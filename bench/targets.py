"""Profiles and products of full-size models: parity, size, time and memory.

    python -m bench.targets [MODEL …]        vit-b-32 and rn50 without names

As bench/models.py, on twins of random weights; a stopped run goes on where it was. Each std tower
is timed beside a plain export (bench/plain.py), too. Writes bench/targets.json and
bench/targets.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas

from bench import models, table
from bench.pipeline import TWINS_EVALSET, twin
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from tools.architectures import TWINS

RECORDS, PROGRESS = Path("bench/targets.json"), models.FOLDER / "targets.json"
MODELS = ("vit-b-32", "rn50")
EVALUATIONS = ["evaluate-profiles", "evaluate-products", "evaluate-preprocess"]
STAGES = ("patch", "compose", "evaluate")


def grid():
    """params.yaml's profiles and products, of fp32 towers."""
    whole = params.load().grid
    encodings = dict.fromkeys(models.ENCODINGS, []) | {"plain": ["fp32"]}
    return {
        "encodings": encodings,
        "profiles": whole.profiles,
        "products": whole.products,
        "composed": ["fp32"],
    }


def measure(model, address):
    """The records of what a model's profiles and products take and reach."""
    archive = twin(model, models.FOLDER / "twins")
    folder = models.workspace(model, archive, address, grid(), evalset=TWINS_EVALSET)
    records = [record for record in read(PROGRESS) if record["model"] == model]
    models.run_stages(model, folder, records, EVALUATIONS, PROGRESS)
    records = [record for record in records if record["stage"] in STAGES]
    records += [beside_plain(model, tower, folder / "data") for tower in TOWERS]
    shutil.rmtree(folder)
    PROGRESS.unlink()
    return records


def beside_plain(model, tower, data):
    """The record of a std tower's speed beside a plain export's."""
    given = [data / "checkpoints" / model, data / "reference" / model]
    line = [sys.executable, "-m", "bench.plain", *given, data / "models" / model / tower / "fp32"]
    printed = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout
    record = {"item": f"{model}.{tower}.plain", "model": model, "stage": "plain"}
    return record | json.loads(printed.splitlines()[-1]) | {"commit": commit()}


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    rows = frame(record for record in records if record["stage"] != "plain")
    rows["cosine_min"] = table.shown("{:.7f}", rows["cosine_min"])
    plain = frame(record for record in records if record["stage"] == "plain")
    return f"""# Profiles and products of full-size models

Written by `python -m bench.targets`, at commit {commits}. The weights are random
(`tools/make_twin.py --outliers`); each line is one process. No peak is below that of the process
which started it.

{rows.to_markdown(index=False, disable_numparse=True)}

## `std` beside a plain `torch.onnx.export`

Batches of 8, the files in turns, the fastest run of each. What is left over of a graph costs
little where ONNX Runtime fuses it; a plain textual tower takes 77 tokens and no other length.

{plain.to_markdown(index=False, disable_numparse=True)}
"""


def frame(records):
    rows = pandas.DataFrame(records).drop(columns=["model", "stage", "commit"])
    return table.counted(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    for name in arguments.models:
        params.lookup(TWINS, name, "models of a known size")
    (models.FOLDER / "twins").mkdir(parents=True, exist_ok=True)
    address = models.serve(models.FOLDER / "twins")
    for model in arguments.models:
        fresh = measure(model, address)
        records = [r for r in read(RECORDS) if r["model"] != model] + fresh
        records.sort(key=lambda record: list(TWINS).index(record["model"]))
        write(RECORDS, records)
        RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


if __name__ == "__main__":
    command.run(main)
