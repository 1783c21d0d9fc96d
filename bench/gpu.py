"""Milliseconds on a GPU: our files beside OpenAI's own code in half precision, eager and compiled.

    python -m bench.gpu [MODEL …] [--batches 1 16 128]

vit-b-32, vit-l-14 and rn50 without names. Needs an NVIDIA GPU, and onnxruntime-gpu in the place of
onnxruntime; with onnxruntime-ep-webgpu beside it, WebGPU is measured, too. Models with an address
are replaced by their twins (tools/make_twin.py: random weights, OpenAI's architecture), which the
pipeline's own commands encode in build/bench-gpu. Inputs and outputs stay on the GPU; all runs of a
batch take turns (bench/speed.py). PyTorch's attention is its fused one, which OpenAI's code calls
by itself. Writes bench/gpu.json and bench/gpu.md.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from bench import comparison, encodings, gpu_runs, pipeline, speed
from bench.records import commit, read, write
from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.measure import parity
from clip_onnx.names import TOWERS
from clip_onnx.settings import params

RECORDS = Path("bench/gpu.json")
FOLDER = Path("build/bench-gpu")
MODELS, BATCHES = ("vit-b-32", "vit-l-14", "rn50"), (1, 16, 128)
ENCODINGS = ("fp32", "fp16", "fp16-gpu")
CHANNELS_LAST, GRAPH = "fp16-gpu, channels last", "fp16-gpu, CUDA graph"
WEBGPU = "fp16, WebGPU"  # for other makers' GPUs, through Vulkan
OPTIONS = {CHANNELS_LAST: {"prefer_nhwc": "1"}, GRAPH: {"enable_cuda_graph": "1"}}  # CUDA's
STAGES = ("download", "export", "patch", "encode")  # these encodings need no calibration
LENGTH = 77
SECONDS = 20  # of runs of a batch, at most


def need(device):
    """Refuse a device that ONNX Runtime or PyTorch lacks here."""
    provider = gpu_runs.PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise command.Refusal(
            f"ONNX Runtime has no {provider} here: install onnxruntime-gpu in the place of"
            " onnxruntime, on a machine with an NVIDIA GPU"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise command.Refusal("PyTorch sees no GPU here: run this on a machine that has one")


def build(model, settings):
    """The workspace of a model, in which its files are made. Returns its data folder."""
    entry = settings.model_dump(exclude_none=True)
    if settings.remote:
        archive = pipeline.twin(model, FOLDER / "twins")
        entry |= pipeline.entry(archive)
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


def ways(transformer, device):
    """Our encodings, and the best of them as CUDA's provider runs it otherwise."""
    if device != "cuda":
        return ENCODINGS
    webgpu = [WEBGPU] if find_spec("onnxruntime_ep_webgpu") else []
    return [*ENCODINGS, *([] if transformer else [CHANNELS_LAST]), GRAPH, *webgpu]


def measure(data, model, tower, count, device):
    """Records of a tower at a batch: every file of ours, PyTorch eager and compiled."""
    checkpoint = data / "checkpoints" / model
    sizes = architecture.of(checkpoint)
    batch = batch_of(sizes, tower, count)
    runs = gpu_runs.torch_runs(checkpoint, tower, batch, device)
    truth = runs["pytorch"]().float().cpu().numpy()
    cosines = dict.fromkeys(runs)
    for name in ways(sizes.vit or tower == "textual", device):
        directory = data / "models" / model / tower / name.split(",")[0]
        if name == WEBGPU:
            runs[name] = gpu_runs.webgpu_run(directory, batch)
        else:
            runs[name] = gpu_runs.onnx_run(directory, batch, device, **OPTIONS.get(name, {}))
        embeds = gpu_runs.numpy_of(runs[name]())
        cosines[name] = round(float(parity.cosine(truth, embeds).min()), 7)
    least = speed.least({name: speed.timed(run) for name, run in runs.items()}, SECONDS)
    place = {"model": model, "tower": tower, "batch": count, "device": name_of(device)}
    place["with"] = f"ONNX Runtime {onnxruntime.__version__} and PyTorch {torch.__version__}"
    for name, milliseconds in least.items():
        found = {"by": name, "ms": milliseconds, "cosine": cosines[name], "commit": commit()}
        yield place | found


def name_of(device):
    return torch.cuda.get_device_name() if device == "cuda" else device


def markdown(records):
    groups, ways = {}, dict.fromkeys(one["by"] for one in records if one["by"] != "pytorch")
    for one in records:
        groups.setdefault((one["model"], one["tower"], one["batch"]), {})[one["by"]] = one
    rows = []
    for (model, tower, batch), of in sorted(groups.items()):
        base = of["pytorch"]["ms"]
        row = {"model": model, "tower": tower, "batch": batch, "PyTorch ms": f"{base:.2f}"}
        row |= {way: f"{base / of[way]['ms']:.2f}×" if way in of else "" for way in ways}
        rows.append(row | {"worst cosine": f"{of['fp16-gpu']['cosine']:.7f}"})
    copies = " WebGPU's time holds the copies to the GPU and back." if WEBGPU in ways else ""
    where, by, when = (
        ", ".join(sorted({one[key] for one in records})) for key in ("device", "with", "commit")
    )
    return f"""# On a GPU

Written by `python -m bench.gpu`, at commit {when}, on {where}, with {by}. How many times as fast as
OpenAI's code in PyTorch, eager and in half precision, each is; the fastest of many runs that took
turns. `worst cosine` is `fp16-gpu`'s to that code, of random inputs on random weights. The batch's
shape is a constant of each session, as it is one of `torch.compile`'s.{copies}

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
