"""Time, memory, size and fp32 parity of every stage, for full-size models.

    python -m bench.models [--few] [MODEL …]        all nine official ones without names

Each model is a twin (tools/make_twin.py: random weights, OpenAI's architecture and file format)
that a local server offers for download. Its stages are those of dvc.yaml, each a process of its
own: wall time, and peak resident memory by the operating system's accounting (`ru_maxrss`). The
inputs are the pipeline's own, as many as a model of its size gets; with `--few`, for models of
billions of weights, fp32 alone is built, and measured on a few (bench/few.py). Every finished stage
is remembered in build/bench, so that a stopped run goes on where it was; bench/models.json and
bench/models.md are written when the last one is done.
"""

import argparse
import functools
import http.server
import json
import shlex
import shutil
import threading
from pathlib import Path

import numpy as np
import yaml
from safetensors import safe_open

from bench import pipeline, table
from bench.pipeline import commands, item, twin
from bench.process import measured
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.measure import inputs
from clip_onnx.measure.calibration import Calibration
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from tools import build_one
from tools.architectures import OFFICIAL, TWINS

FOLDER = Path("build/bench")
PROGRESS = FOLDER / "progress.json"
ENCODINGS = {"plain": ["fp32"], "by_sensitivity": ["int8w", "int4w"], "resnets": []}
GRID = {"encodings": ENCODINGS, "profiles": [], "products": [], "composed": []}
EVALUATIONS = ["evaluate", "evaluate-by-sensitivity"]
FEW = GRID | {"encodings": {"plain": ["fp32"], "by_sensitivity": [], "resnets": []}}
SHARED = ("pins", "evalset")  # stages that are of no model


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """Offer a folder on a free port of this machine. Returns the server's address."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def workspace(model, archive, address, grid=GRID, evalset=None, name=None):
    """A DVC project in build/bench for one model alone, of its name or another. Returns its folder.

    Without `evalset`, it is measured on the inputs that params.yaml gives a model of its size.
    """
    content = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    content["models"] = {model: content["models"][model] | pipeline.entry(archive, address)}
    content["grid"] |= {"models": [model], "resnets": [], **grid}
    content["floors"] = {model: {}}
    content["evalset"] |= evalset or {}
    folder = FOLDER / (name or model)
    build_one.workspace(folder, content, model)
    return folder


def result(stage, outputs):
    """What a stage's outputs say: the worst cosine_min, size_mb, and how many inputs there were.

    An evaluation's size is that of the files that it measured.
    """
    if stage == "evaluate":
        return evaluated(outputs)
    files = [file for output in outputs for file in output.rglob("*") if file.is_file()]
    size = round(sum(file.stat().st_size for file in files) / 1e6, 3)
    return {"cosine_min": None, "size_mb": size, **amounts(outputs[0])}


def evaluated(outputs):
    """The same of evaluations' JSON."""
    found = {"pictures": None, "captions": None}
    metrics = [json.loads(output.read_text("utf-8"))["metrics"] for output in outputs]
    for output, one in zip(outputs, metrics, strict=True):
        found["captions" if output.name.split(".")[1] == "textual" else "pictures"] = one["inputs"]
    size = round(sum(one["size_mb"] for one in metrics), 3)
    return {"cosine_min": min(one["cosine_min"] for one in metrics), "size_mb": size, **found}


def amounts(output):
    """{pictures, captions}: how many a reference or a calibration holds, or None."""
    found = {"pictures": None, "captions": None}
    if (output / inputs.PIXELS_FILE).exists():
        found["pictures"] = len(np.load(output / inputs.PIXELS_FILE, mmap_mode="r"))
        calibrated = output / "textual" / Calibration.FILE
        file = calibrated if calibrated.exists() else output / inputs.REFERENCE_FILE
        with safe_open(file, framework="numpy") as tensors:
            found["captions"] = tensors.get_slice("input_ids").get_shape()[0]
    return found


def run_stages(model, folder, records, evaluations=EVALUATIONS, progress=PROGRESS):
    """Run and record what has not been yet, adding to `records`."""
    run_all(model, folder, commands(folder, evaluations), records, progress)


def run_few(model, folder, records):
    """The same up to the fp32 files, which calibration changes nothing of, and which are measured
    on a few inputs."""
    (folder / "bench").unlink(missing_ok=True)
    (folder / "bench").symlink_to(Path(__file__).parent.resolve())
    needless = {"evalset", "calibrate"}
    lines = [line for line in commands(folder, ["encode"]) if pipeline.stage(line) not in needless]
    few = [*lines[-1][:1], "-m", "bench.few", f"data/checkpoints/{model}"]
    for tower in TOWERS:
        few += [
            "--file",
            f"data/models/{model}/{tower}/fp32",
            f"data/eval/{model}.{tower}.fp32.json",
        ]
    run_all(model, folder, [*lines, few], records, PROGRESS)


def run_all(model, folder, lines, records, progress):
    """Run and record those command lines that have not been yet."""
    done = {record["item"] for record in records}
    for arguments in lines:
        stage, name = pipeline.stage(arguments), item(arguments)
        if pipeline.there(folder, arguments) and (name in done or stage in SHARED):
            continue
        print(f"{model}: {shlex.join(arguments[2:])}", flush=True)
        cost = measured(arguments, folder, folder / "log.txt")
        if stage in SHARED:
            continue
        made = [folder / path for path in pipeline.outputs(arguments)]
        record = {"item": name, "model": model, "stage": stage, "wall_s": round(cost.wall_s, 1)}
        record |= {"peak_rss_mb": round(cost.peak_mb), **result(stage, made)}
        record["commit"] = commit()
        records[:] = [old for old in records if old["item"] != name] + [record]
        write(progress, records)


def check_few(models):
    """Raise Refusal where a run on a few inputs would take the place of a whole one's figures."""
    whole = {one["model"] for one in read(table.RECORDS) if one["stage"] == "reference"}
    for model in models:
        if model in whole:
            raise command.Refusal(
                f"{table.RECORDS} has {model} measured on all inputs: leave out --few, or it"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--few", action="store_true", help="fp32 alone, on a few inputs")
    arguments = parser.parse_args()
    for name in arguments.models:
        params.lookup(TWINS, name, "models of a known size")
    models = arguments.models or list(OFFICIAL)
    if arguments.few:
        check_few(models)
    (FOLDER / "twins").mkdir(parents=True, exist_ok=True)
    address, records = serve(FOLDER / "twins"), read(PROGRESS)
    finished = FOLDER / "finished"
    finished.mkdir(exist_ok=True)
    for model in models:
        name = f"{model}-few" if arguments.few else model
        if (finished / name).exists():
            continue
        archive = twin(model, FOLDER / "twins")
        grid = FEW if arguments.few else GRID
        folder = workspace(model, archive, address, grid, name=name)
        (run_few if arguments.few else run_stages)(model, folder, records)
        shutil.rmtree(folder)
        pipeline.remove(archive)
        (finished / name).touch()
    fresh = {record["model"] for record in records}
    old = [r for r in read(table.RECORDS) if r["model"] in TWINS and r["model"] not in fresh]
    records = sorted(old + records, key=lambda record: list(TWINS).index(record["model"]))
    write(table.RECORDS, records)
    table.write()
    PROGRESS.unlink()
    shutil.rmtree(finished)


if __name__ == "__main__":
    command.run(main)
