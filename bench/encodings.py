"""Every encoding beside what other tools make of the same file: size, parity, load and speed.

    python -m bench.encodings [MODEL …] [--encodings NAME …]

Two tiny models and two twins without names; with encodings, those of ours alone are measured anew.
Our files are built by the pipeline's own commands, for every encoding of `grid:`, in a workspace
in build/bench-encodings; bench/peers.py makes the others' from our fp32 file. stages.evaluate,
bench/load.py and bench/speed.py measure them. A model with an address is replaced by its twin
(tools/make_twin.py: random weights, OpenAI's architecture). What is finished is kept until the
run ends, so that a stopped run goes on where it was; remove the folder if the code changed since.
bench/encodings.json, .md and .svg are written whenever a model is done.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from bench import at_a_glance, comparison, cpu, peers, picture, pipeline, uses
from bench.records import commit, read, write
from clip_onnx import absent, command, graphs
from clip_onnx.settings import params
from tools import build_one

FOLDER = Path("build/bench-encodings")
MODELS = ("tiny-vit", "tiny-rn", "vit-b-32", "rn50")
EVALUATIONS = ("evaluate", "evaluate-by-sensitivity", "evaluate-resnets")
FP32 = "fp32"  # what peers start from
METRICS = ("size_mb", "cosine_min", "cosine_mean", "snr_db")
MEASURED = (*METRICS, "load_s", "load_rss_mb", "run_rss_mb", "run_ms", "fp32_ms", "torch_ms")


class File(NamedTuple):
    by: str
    model: str
    tower: str
    encoding: str
    directory: Path
    evaluation: Path


def run(module, *arguments):
    """What a program prints. A failure is a Refusal with the last line of its complaint."""
    line = [sys.executable, "-m", module, *map(str, arguments)]
    finished = subprocess.run(line, capture_output=True, text=True)
    if finished.returncode:
        complaint = finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"]
        raise command.Refusal(f"{module}: {complaint[-1].removeprefix('error: ')}")
    return finished.stdout


def workspace(folder, model, entry, evalset=None, chosen=()):
    """A DVC project in a folder for one model. Returns the folder."""
    content = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    grid = content["grid"]
    if chosen:
        wanted = {FP32, *chosen}
        for group, names in grid["encodings"].items():
            grid["encodings"][group] = [name for name in names if name in wanted]
    resnet = model in grid["resnets"] or model.startswith("rn")
    grid |= {"models": [model], "resnets": [model] if resnet else []}
    grid |= {"profiles": [], "products": [], "composed": []}
    content["models"] = {model: entry}
    content |= {"bundle": {}, "floors": {model: {}}}
    content["evalset"] |= evalset or {}
    build_one.workspace(folder, content, model)
    return folder


def prepare(model, settings, chosen=()):
    """The workspace of a model, or of its twin, for all encodings or the chosen ones."""
    folder, entry = FOLDER / model, settings.model_dump(exclude_none=True)
    if not settings.remote:
        return workspace(folder, model, entry, chosen=chosen)
    archive = pipeline.twin(model, FOLDER / "twins")
    entry |= pipeline.entry(archive)
    return workspace(folder, model, entry, pipeline.TWINS_EVALSET, chosen)


def build(model, folder):
    """Run the pipeline's commands whose outputs are not there. Returns the evaluated files."""
    files = []
    for arguments in pipeline.make(model, folder, EVALUATIONS):
        if pipeline.stage(arguments) == "evaluate":
            for evaluation in pipeline.outputs(arguments):
                _, tower, encoding, _ = Path(evaluation).name.split(".")
                directory = folder / "data/models" / model / tower / encoding
                if not absent.why(directory):
                    file = File("ours", model, tower, encoding, directory, folder / evaluation)
                    files.append(file)
    return files


def others(files, folder):
    """The files that bench/peers.py makes of each fp32 file of ours."""
    for file in files:
        if file.encoding == FP32:
            for peer in peers.PEERS:
                directory = folder / "data/peers" / file.tower / peer
                evaluation = directory.with_suffix(".json")
                yield File("peer", file.model, file.tower, peer, directory, evaluation)


def make(file, source, data):
    """A peer's file and its evaluation, if they are not there."""
    if not file.directory.exists():
        run("bench.peers", file.encoding, source, file.directory)
    if not file.evaluation.exists():
        checkpoint, reference = data / "checkpoints" / file.model, data / "reference" / file.model
        run("stages.evaluate", reference, checkpoint, "--file", file.directory, file.evaluation)


def metrics(file, data):
    """A file's size and parity; a peer's is made first, if it is not there."""
    if file.by == "peer":
        make(file, data / "models" / file.model / file.tower / FP32, data)
    found = json.loads(file.evaluation.read_text("utf-8"))["metrics"]
    return {name: found[name] for name in METRICS}


def failed(file, refusal):
    """What is known of a peer's file that fails: why, and its size, if it has one."""
    if file.by == "ours":
        raise refusal
    size = round(graphs.size(file.directory) / 1e6, 3) if file.directory.exists() else None
    return {"size_mb": size, "reason": str(refusal)}


def named(file):
    """Whose file it is, of which model, tower and encoding."""
    return dict(zip(File._fields[:4], file[:4], strict=True))


def measure(file, folder):
    """A file's metrics and costs; where a peer's fails, those up to there and the reason."""
    data, found = folder / "data", {}
    source = data / "models" / file.model / file.tower / FP32
    try:
        found |= metrics(file, data)
        found |= json.loads(run("bench.load", file.directory))
        inputs = data / "checkpoints" / file.model, data / "reference" / file.model
        found |= json.loads(run("bench.speed", *inputs, source, file.directory))
        if found["cosine_min"] is None:
            found["reason"] = "its embeddings are not finite"
    except command.Refusal as refusal:
        found |= failed(file, refusal)
    return dict.fromkeys(MEASURED) | found


def measure_all(model, settings, chosen=()):
    """The records of a model; those of a stopped run are taken from its workspace."""
    folder = prepare(model, settings, chosen)
    progress = folder / "records.json"
    records = read(progress)
    done = {comparison.key(record) for record in records}
    files = build(model, folder)
    for file in [*files, *([] if chosen else others(files, folder))]:
        if file[:4] not in done:
            print(f"{model}: {file.by} {file.tower} {file.encoding}", flush=True)
            record = named(file) | measure(file, folder)
            record |= {"synthetic": settings.remote, "commit": commit(), "cpu": cpu.kind()}
            records.append(record)
            write(progress, records)
    return records


def replaced(path, fresh, whole, order):
    """A file's records with fresh ones in the place of all of their model's, or else of those of
    the same files; by the order of models."""
    identity = (lambda record: record["model"]) if whole else comparison.key
    new = {identity(record) for record in fresh}
    records = [r for r in read(path) if identity(r) not in new] + fresh
    order = list(order)
    records.sort(key=lambda r: (order.index(r["model"]), r["tower"] != "visual", r["by"]))
    return records


def publish(fresh, whole=True):
    """Put records into bench/encodings.json, and draw them."""
    records = replaced(comparison.RECORDS, fresh, whole, params.load().models)
    write(comparison.RECORDS, records)
    show(records)


def markdown(records):
    return comparison.markdown(records, uses.table(records))


def show(records):
    comparison.RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")
    picture.draw(records, comparison.RECORDS.with_suffix(".svg"))
    at_a_glance.draw(records, at_a_glance.PICTURE)


def add_encodings(parser):
    parser.add_argument("--encodings", nargs="+", default=(), metavar="NAME")


def check_encodings(arguments):
    known = params.load().encodings
    for name in arguments.encodings:
        params.lookup(known, name, "encodings")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    add_encodings(parser)
    arguments = parser.parse_args()
    known = params.load().models
    models = {name: params.lookup(known, name, "models") for name in arguments.models}
    check_encodings(arguments)
    finished = FOLDER / "finished"
    finished.mkdir(parents=True, exist_ok=True)
    for model, settings in models.items():
        if not (finished / model).exists():
            chosen = arguments.encodings
            publish(measure_all(model, settings, chosen), whole=not chosen)
            shutil.rmtree(FOLDER / model)
            pipeline.remove(pipeline.place(model, FOLDER / "twins"))
            (finished / model).touch()
    shutil.rmtree(finished)


if __name__ == "__main__":
    command.run(main)
