"""What the first picture of a batch costs, and what each further one: reading weights, arithmetic.

    make bench NAME=batches

The visual tower of ViT-B/32's twin (random weights, OpenAI's architecture) in some encodings, in
ONNX Runtime on one thread and on two, and its fp32 file in OpenVINO, which multiplies in bfloat16
where the CPU has it unless it is told that accuracy matters: batches of BATCHES pictures, the
fastest of many runs in turns. A line through them says what a further picture takes, and what a run
takes besides. Beside it stands what the CPU could do at most: how fast it reads weights of the
file's size, and a large product of matrices in PyTorch. Writes bench/batches.json and .md.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import openvino
import torch

from bench import comparison, cpu, encodings, pipeline, speed
from bench.records import commit, write
from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture
from clip_onnx.measure import parity
from clip_onnx.measure.calibration import Calibration
from clip_onnx.openai import amounts
from clip_onnx.settings import params
from runtimes.openvino import EXACT

RECORDS = Path("bench/batches.json")
FOLDER = Path("build/bench-batches")
MODEL, TOWER = "vit-b-32", "visual"
ENCODINGS = ("fp32", "int8-dynamic", "int8r", "int4r")
OPENVINO = {"OpenVINO, told to be exact": EXACT, "OpenVINO": {}}  # of the fp32 file
TARGETS = ("encode", "encode-by-sensitivity")
BATCHES, THREADS = (1, 2, 4, 8, 16), (1, 2)
MOST, FEW = 100, 3  # seconds of turns of all the runs, and of what the CPU could do
SIDE = 2048  # of the matrices whose product says how fast the CPU multiplies


def in_onnxruntime(directory, threads):
    """A function of pixel_values [B, 3, R, R] that gives image_embeds [B, E]."""
    loaded = speed.session(directory, threads)
    name = loaded.get_inputs()[0].name
    return lambda pixels: loaded.run(None, {name: pixels})[0]


def in_openvino(directory, threads, hints):
    """The same. Its shapes stay open, as ONNX Runtime's do."""
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1} | hints
    compiled = openvino.Core().compile_model(directory / graphs.FILE, "CPU", settings)
    return lambda pixels: compiled(pixels)[0]


def engines(files, threads):
    """{(by, encoding): one of these functions} of the encodings' folders."""
    found = {("ONNX Runtime", name): in_onnxruntime(file, threads) for name, file in files.items()}
    for by, hints in OPENVINO.items():
        found[by, "fp32"] = in_openvino(files["fp32"], threads, hints)
    return found


def runs(engine, pictures):
    """{batch: a function that runs so many of the pictures}."""
    feeds = {count: np.resize(pictures, (count, *pictures.shape[1:])) for count in BATCHES}
    return {count: lambda feed=feed: engine(feed) for count, feed in feeds.items()}


def line(times):
    """(ms of a run without any picture, ms of each picture) by least squares of {batch: ms}.

    Relative errors count, so that the small batches say as much as the large ones.
    """
    count, spent = (np.array(list(part), np.float64) for part in (times.keys(), times.values()))
    terms = np.stack([1 / spent, count / spent], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(terms, np.ones(len(spent)))
    return float(fixed), float(each)


def limits(threads, size_mb):
    """{read_ms, gflop_s}: to read so many MB of numbers once, and of a product of matrices."""
    torch.set_num_threads(threads)
    numbers = torch.ones(round(size_mb * 1e6 / 4))
    first, second = torch.rand(2, SIDE, SIDE)
    best = speed.fastest({"read": numbers.sum, "multiply": lambda: first @ second}, FEW)
    return {"read_ms": best["read"], "gflop_s": round(2e-6 * SIDE**3 / best["multiply"])}


def records_of(settings):
    """A record of each encoding and number of threads."""
    twin = pipeline.twin(MODEL, FOLDER / "twins")
    entry = settings.model_dump(exclude_none=True) | pipeline.entry(twin)
    folder = FOLDER / MODEL
    encodings.workspace(folder, MODEL, entry, pipeline.TWINS_EVALSET, ENCODINGS)
    pipeline.make(MODEL, folder, TARGETS)
    data = folder / "data"
    pictures = next(Calibration(data / "calibration" / MODEL, TOWER).batches())
    gflop = amounts.gflop(architecture.of(data / "checkpoints" / MODEL))
    for threads in THREADS:
        files = {name: data / "models" / MODEL / TOWER / name for name in ENCODINGS}
        sizes = {name: graphs.size(file) / 1e6 for name, file in files.items()}
        own = engines(files, threads)
        exact = own["ONNX Runtime", "fp32"](pictures)
        turns = {key: runs(engine, pictures) for key, engine in own.items()}
        every = {(*key, n): run for key, each in turns.items() for n, run in each.items()}
        best = speed.fastest(every, MOST)
        for (by, name), engine in own.items():
            times = {count: best[by, name, count] for count in BATCHES}
            fixed, each = line(times)
            record = {"by": by, "encoding": name, "threads": threads, "ms": times}
            record |= {"cosine": float(parity.cosine(exact, engine(pictures))[0])}
            record |= {"size_mb": round(sizes[name], 1), "gflop": gflop}
            record |= {"fixed_ms": round(fixed, 2), "each_ms": round(each, 2)}
            yield record | limits(threads, sizes[name]) | {"cpu": cpu.kind(), "commit": commit()}


def row(record):
    found = {"encoding": f"`{record['encoding']}`", "in": record["by"]}
    found |= {"threads": record["threads"], "cosine to fp32": f"{record['cosine']:.6f}"}
    found |= {f"{count} at once, ms": f"{ms:.1f}" for count, ms in record["ms"].items()}
    found["each, ms"] = f"{record['each_ms']:.1f}"
    found["the run besides, ms"] = f"{record['fixed_ms']:.1f}"
    found["to read the file's MB, ms"] = f"{record['read_ms']:.1f} ({record['size_mb']:.0f})"
    found["GFLOP/s of each"] = f"{1000 * record['gflop'] / record['each_ms']:.0f}"
    found["of a large fp32 product"] = str(record["gflop_s"])
    return found


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    kinds = ", ".join(sorted({record["cpu"] for record in records}))
    return f"""# The first picture of a batch, and the others

Written by `make bench NAME=batches`, at commit {commits}, on a CPU of {kinds}: the picture tower of
ViT-B/32's twin in ONNX Runtime and OpenVINO. Through the times of the batches goes a line: what
`each` picture takes, and `the run besides`, which a batch shares. That is above all the reading of
the weights, which are larger than the CPU's caches; beside it stands how long as many bytes take by
themselves. OpenVINO multiplies in bfloat16 on CPUs that have it (AMX), unless it is told to be
exact: the cosine says whether it did here.

{comparison.table([row(record) for record in records])}
"""


def main():
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    records = list(records_of(params.load().models[MODEL]))
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    command.run(main)
