"""Profiles and products of full-size models: parity, size, time and memory.

    python -m bench.targets [MODEL …]        vit-b-32 and rn50 without names

As bench/models.py, on twins of random weights; a stopped run goes on where it was. Writes
bench/targets.json and bench/targets.md.
"""

import argparse
import shutil
from pathlib import Path

import pandas

from bench import models
from bench.pipeline import twin
from bench.records import read, write
from stages import command, params

RECORDS, PROGRESS = Path("bench/targets.json"), models.FOLDER / "targets.json"
MODELS = ("vit-b-32", "rn50")
EVALUATIONS = ["evaluate-profiles", "evaluate-products", "evaluate-preprocess"]
STAGES = ("patch", "compose", "evaluate", "evaluate_product")


def grid():
    """params.yaml's profiles and products, of fp32 towers."""
    whole = params.load().grid
    encodings = dict.fromkeys(models.ENCODINGS, []) | {"convert": [params.QUANTIZED_FROM]}
    return {
        "encodings": encodings,
        "profiles": whole.profiles,
        "products": whole.products,
        "composed": [params.QUANTIZED_FROM],
    }


def measure(model, address):
    """The records of what a model's profiles and products take and reach."""
    archive = twin(model, models.FOLDER / "twins")
    folder = models.workspace(model, archive, address, grid())
    records = [record for record in read(PROGRESS) if record["model"] == model]
    models.run_stages(model, folder, records, EVALUATIONS, PROGRESS)
    shutil.rmtree(folder)
    PROGRESS.unlink()
    return [record for record in records if record["stage"] in STAGES]


def markdown(records):
    table = pandas.DataFrame(records)
    commits = ", ".join(sorted(set(table["commit"])))
    table = table.drop(columns=["model", "stage", "commit"])
    table["cosine_min"] = table["cosine_min"].map("{:.7f}".format, na_action="ignore").fillna("")
    return f"""# Profiles and products of full-size models

Written by `python -m bench.targets`, at commit {commits}. The weights are random
(`tools/make_twin.py --outliers`); each line is one process.

{table.to_markdown(index=False, disable_numparse=True)}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    official = [name for name, model in params.load().models.items() if model.remote]
    for name in arguments.models:
        params.lookup(dict.fromkeys(official), name, "models")
    (models.FOLDER / "twins").mkdir(parents=True, exist_ok=True)
    address = models.serve(models.FOLDER / "twins")
    for model in arguments.models:
        fresh = measure(model, address)
        records = [r for r in read(RECORDS) if r["model"] != model] + fresh
        records.sort(key=lambda record: official.index(record["model"]))
        write(RECORDS, records)
        RECORDS.with_suffix(".md").write_text(markdown(records))


if __name__ == "__main__":
    command.run(main)
