"""Milliseconds on a GPU: our files beside OpenAI's own code in half precision, eager and compiled.

    python -m bench.gpu [MODEL …] [--batches 1 16 128]

vit-b-32 and vit-l-14 without names. Needs an NVIDIA GPU, and onnxruntime-gpu in the place of
onnxruntime. Models with an address are replaced by their twins (tools/make_twin.py: random weights,
OpenAI's architecture), which the pipeline's own commands encode in build/bench-gpu. Inputs and
outputs stay on the GPU; all runs of a batch take turns (bench/speed.py). PyTorch's attention is its
fused one, which OpenAI's code calls by itself. Writes bench/gpu.json and bench/gpu.md.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from bench import comparison, encodings, pipeline, speed
from bench.records import commit, read, write
from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.measure import parity
from clip_onnx.names import TOWERS
from clip_onnx.openai import build_model
from clip_onnx.settings import params

RECORDS = Path("bench/gpu.json")
FOLDER = Path("build/bench-gpu")
MODELS, BATCHES = ("vit-b-32", "vit-l-14"), (1, 16, 128)
ENCODINGS = ("fp32", "fp16", "fp16-gpu")
STAGES = ("download", "export", "patch", "encode")  # these encodings need no calibration
LENGTH = 77
SECONDS = 20  # of runs of a batch, at most
PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def need(device):
    """Refuse a device that ONNX Runtime or PyTorch lacks here."""
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise command.Refusal(
            f"ONNX Runtime has no {PROVIDERS[device]} here: install onnxruntime-gpu in the place of"
            " onnxruntime, on a machine with an NVIDIA GPU"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise command.Refusal("PyTorch sees no GPU here: run this on a machine that has one")


def build(model, settings):
    """The workspace of a model, in which its files are made. Returns its data folder."""
    entry = settings.model_dump(exclude_none=True)
    if settings.remote:
        archive = pipeline.twin(model, FOLDER / "twins")
        entry |= {"source": str(archive), "sha256": pipeline.sha256(archive)}
    folder = encodings.workspace(FOLDER / model, model, entry, chosen=ENCODINGS)
    lines = pipeline.commands(folder, ["encode"])
    pipeline.run_missing(model, folder, [one for one in lines if pipeline.stage(one) in STAGES])
    return folder / "data"


def batch_of(sizes, tower, count):
    """Random pixels, or tokens that end in EOT, of a batch."""
    rng = np.random.default_rng(0)
    if tower == "visual":
        return rng.normal(size=(count, 3, sizes.resolution, sizes.resolution)).astype(np.float32)
    ids = rng.integers(1, sizes.vocab_size - 2, (count, LENGTH))
    ids[:, -1] = sizes.vocab_size - 1
    return ids


def onnx_run(directory, batch, device):
    """A function that runs a file once: its embeddings, which stay on the device."""
    session = onnxruntime.InferenceSession(directory / graphs.FILE, providers=[PROVIDERS[device]])
    if session.get_providers()[0] != PROVIDERS[device]:
        raise command.Refusal(f"{directory} does not run on {device}: see ONNX Runtime's message")
    binding, given = session.io_binding(), session.get_inputs()[0].name
    binding.bind_ortvalue_input(given, onnxruntime.OrtValue.ortvalue_from_numpy(batch, device, 0))
    binding.bind_output(session.get_outputs()[0].name, device)

    def run():
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return binding

    return run


def torch_runs(checkpoint, tower, batch, device):
    """{name: a function that runs OpenAI's code once}, in half precision on a GPU, as clip.load."""
    names = weights.shapes(checkpoint)
    model = build_model({name: torch.from_numpy(weights.read(checkpoint, name)) for name in names})
    model = model.float() if device == "cpu" else model.to(device)
    given = torch.from_numpy(batch).to(device)
    encode = model.encode_image if tower == "visual" else model.encode_text

    def timed(function):
        def run():
            with torch.inference_mode():
                embeds = function(given)
            if device == "cuda":
                torch.cuda.synchronize()
            return embeds

        return run

    return {"pytorch": timed(encode), "torch.compile": timed(torch.compile(encode))}


def measure(data, model, tower, count, device):
    """Records of a tower at a batch: every file of ours, PyTorch eager and compiled."""
    checkpoint = data / "checkpoints" / model
    batch = batch_of(architecture.read(weights.shapes(checkpoint)), tower, count)
    runs = torch_runs(checkpoint, tower, batch, device)
    truth = runs["pytorch"]().float().cpu().numpy()
    cosines = dict.fromkeys(runs)
    for encoding in ENCODINGS:
        runs[encoding] = onnx_run(data / "models" / model / tower / encoding, batch, device)
        embeds = runs[encoding]().copy_outputs_to_cpu()[0]
        cosines[encoding] = round(float(parity.cosine(truth, embeds).min()), 7)
    least = speed.least({name: speed.timed(run) for name, run in runs.items()}, SECONDS)
    place = {"model": model, "tower": tower, "batch": count, "device": name_of(device)}
    for name, milliseconds in least.items():
        found = {"by": name, "ms": milliseconds, "cosine": cosines[name], "commit": commit()}
        yield place | found


def name_of(device):
    return torch.cuda.get_device_name() if device == "cuda" else device


def markdown(records):
    groups = {}
    for one in records:
        groups.setdefault((one["model"], one["tower"], one["batch"]), {})[one["by"]] = one
    rows = []
    for (model, tower, batch), of in groups.items():
        base = of["pytorch"]["ms"]
        row = {"model": model, "tower": tower, "batch": batch, "PyTorch ms": f"{base:.2f}"}
        row |= {name: f"{base / one['ms']:.2f}×" for name, one in of.items() if name != "pytorch"}
        rows.append(row | {"worst cosine": f"{of['fp16-gpu']['cosine']:.7f}"})
    devices = ", ".join(sorted({one["device"] for one in records}))
    commits = ", ".join(sorted({one["commit"] for one in records}))
    return f"""# On a GPU

Written by `python -m bench.gpu`, at commit {commits}, on {devices}. How many times as fast as
OpenAI's code in PyTorch, eager and in half precision, each is; the fastest of many runs that took
turns. `worst cosine` is `fp16-gpu`'s to that code, of random inputs on random weights.

{comparison.table(rows)}
"""


def publish(fresh):
    """Put records in the place of all of their model's, and write the page anew."""
    new = {record["model"] for record in fresh}
    records = [record for record in read(RECORDS) if record["model"] not in new] + fresh
    write(RECORDS, records)
    RECORDS.with_suffix(".md").write_text(markdown(records), "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    arguments = parser.parse_args()
    need("cuda")
    known = params.load().models
    for model in arguments.models:
        data = build(model, params.lookup(known, model, "models"))
        publish(
            [
                record
                for tower in TOWERS
                for count in arguments.batches
                for record in measure(data, model, tower, count, "cuda")
            ]
        )


if __name__ == "__main__":
    command.run(main)
