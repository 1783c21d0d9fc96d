"""Time, memory, size and fp32 parity of every stage, for full-size models.

    python -m bench.models [MODEL …]        all nine official ones without names

Each model is a twin (tools/make_twin.py: random weights, OpenAI's architecture and file format)
that a local server offers for download. Its stages are those of dvc.yaml, each a process of its
own: wall time, and peak resident memory by the operating system's accounting (`ru_maxrss`). Every
finished stage is remembered in build/bench, so that a stopped run goes on where it was;
bench/models.json and bench/models.md are written when the last one is done.
"""

import argparse
import functools
import http.server
import json
import shlex
import shutil
import threading
from pathlib import Path

import yaml

from bench import table
from bench.pipeline import commands, sha256, twin
from bench.process import measured
from bench.records import commit, read, write
from stages import command, params
from tools import build_one

FOLDER = Path("build/bench")
PROGRESS = FOLDER / "progress.json"
ENCODINGS = {"convert": ["fp32"], "quantize": ["fp16w", "int8w"], "measured": [], "static": []}
GRID = {"encodings": ENCODINGS, "profiles": [], "products": [], "composed": []}
BUNDLE = {"encodings": [], "profiles": [], "products": []}
EVALUATIONS = ["evaluate-converted", "evaluate-quantized"]
PHOTOGRAPHS = {"evaluation": 8, "calibration": 4}  # with one crop each: a whole batch
CAPTIONS = 16


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """Offer a folder on a free port of this machine. Returns the server's address."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def evaluation_inputs():
    """Write a few of the pipeline's photographs and captions. Returns their paths."""
    photographs, captions = FOLDER / "photographs.csv", FOLDER / "captions.txt"
    header, *rows = Path("stages/photographs.csv").read_text().splitlines()
    kept = []
    for split, count in PHOTOGRAPHS.items():
        kept += [row for row in rows if row.endswith(split)][:count]
    photographs.write_text("\n".join([header, *kept, ""]))
    captions.write_text("\n".join(f"caption number {n}" for n in range(CAPTIONS)))
    return str(photographs), str(captions)


def workspace(model, archive, address, grid=GRID, bundle=BUNDLE):
    """A DVC project in build/bench for one model alone. Returns its folder."""
    images, captions = evaluation_inputs()
    content = yaml.safe_load(Path("params.yaml").read_text())
    source = {"source": f"{address}/{archive.name}", "sha256": sha256(archive)}
    content["models"] = {model: source}
    content["grid"] |= {"models": [model], "resnets": [], **grid}
    content["bundle"], content["floors"] = bundle, {}
    content["evalset"] |= {"images": images, "captions": captions}
    content["evalset"] |= {"crops": 1, "drawn": 1}  # calibration keeps its drawings: most of it
    folder = FOLDER / model
    build_one.workspace(folder, content, model)
    return folder


def item(stage, output):
    """A process's name: the key of what it makes, and the stage."""
    parts = [part for part in output.removesuffix(".json").split("/")[2:] if part != "std"]
    return ".".join([*parts, stage])


def result(stage, output):
    """(cosine_min, size in MB) of what a stage made; an evaluation's are those of its file."""
    if stage.startswith("evaluate"):
        metrics = json.loads(output.read_text())["metrics"]
        return metrics["cosine_min"], metrics["size_mb"]
    return None, round(sum(f.stat().st_size for f in output.iterdir()) / 1e6, 3)


def run_stages(model, folder, records, evaluations=EVALUATIONS, progress=PROGRESS):
    """Run and record what has not been yet, adding to `records`."""
    done = {record["item"] for record in records}
    for arguments in commands(folder, evaluations):
        stage, output = arguments[2].removeprefix("stages."), arguments[-1]
        name, made = item(stage, output), folder / output
        if made.exists() and (name in done or stage in ("pins", "evalset")):
            continue
        print(f"{model}: {shlex.join(arguments[2:])}", flush=True)
        wall, peak = measured(arguments, folder, folder / "log.txt")
        if stage in ("pins", "evalset"):
            continue
        cosine, size = result(stage, made)
        record = {"item": name, "model": model, "stage": stage, "wall_s": round(wall, 1)}
        record |= {"peak_rss_mb": round(peak), "cosine_min": cosine, "size_mb": size}
        record["commit"] = commit()
        records[:] = [old for old in records if old["item"] != name] + [record]
        write(progress, records)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args()
    official = [name for name, model in params.load().models.items() if model.remote]
    for name in arguments.models:
        params.lookup(dict.fromkeys(official), name, "models")
    models = arguments.models or official
    (FOLDER / "twins").mkdir(parents=True, exist_ok=True)
    address, records = serve(FOLDER / "twins"), read(PROGRESS)
    finished = FOLDER / "finished"
    finished.mkdir(exist_ok=True)
    for model in models:
        if (finished / model).exists():
            continue
        archive = twin(model, FOLDER / "twins")
        folder = workspace(model, archive, address)
        run_stages(model, folder, records)
        shutil.rmtree(folder)
        archive.unlink()
        (finished / model).touch()
    fresh = {record["item"] for record in records}
    old = [r for r in read(table.RECORDS) if r["model"] in official and r["item"] not in fresh]
    records = sorted(old + records, key=lambda record: official.index(record["model"]))
    write(table.RECORDS, records)
    table.RECORDS.with_suffix(".md").write_text(table.markdown(records))
    PROGRESS.unlink()
    shutil.rmtree(finished)


if __name__ == "__main__":
    command.run(main)
