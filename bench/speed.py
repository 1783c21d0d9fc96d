"""Milliseconds of one run of a file, beside the fp32 file and OpenAI's own code.

    python -m bench.speed data/checkpoints/MODEL data/reference/MODEL \\
        data/models/MODEL/TOWER/fp32 data/models/MODEL/TOWER/VARIANT

Prints {run_ms, fp32_ms, torch_ms, run_8_ms, fp32_8_ms}. They take turns, one run each a round in a
random order, so that whatever else the machine does meets all of them; the fastest run of each
counts. They get the same work: one picture, or one caption of 16 tokens, on two threads; then eight
of it at once, without PyTorch. (OpenAI's code would pad the caption to 77 tokens; here its
positions and its mask are cut to the caption's, which leaves the embedding as it is. Other
packages' code gets the padded caption.)
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture
from clip_onnx.measure import inputs
from clip_onnx.openai import CLIP, models

THREADS = 2
TOKENS = 16
BATCH = 8  # of the same input
WARM_UP, ROUNDS, SECONDS = 3, 20, 10  # at least so many rounds, and so long
MOST = 15  # seconds of batches
PAUSE = 0.01  # seconds: whose turn is over has threads that wait for more work for a while


def one_input(directory, tower):
    """A batch of one real picture, or of one real caption without padding."""
    if tower == "visual":
        return inputs.pixels(directory, [0])
    with inputs.reference(directory) as file:
        rows = inputs.token_rows(file)
    return np.array([min(rows, key=lambda row: abs(len(row) - TOKENS))], np.int64)


def session(directory, threads=THREADS):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    file = directory / graphs.FILE
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def onnx_run(directory, batch):
    loaded = session(directory)
    feed = {loaded.get_inputs()[0].name: batch}
    return lambda: loaded.run(None, feed)[0]


def torch_run(checkpoint, tower, batch):
    torch.set_num_threads(THREADS)
    model, batch = models.load_tower(checkpoint, tower), torch.from_numpy(batch)
    if tower == "textual" and not isinstance(model, CLIP):  # another package's: padded, as it is
        batch = torch.nn.functional.pad(
            batch, (0, architecture.of(checkpoint).context_length - batch.shape[1])
        )
    elif tower == "textual":
        length = batch.shape[1]
        model.positional_embedding = torch.nn.Parameter(model.positional_embedding[:length])
        for block in model.transformer.resblocks:
            block.attn_mask = block.attn_mask[:length, :length]
    encode = torch.inference_mode()(model.encode_image if tower == "visual" else model.encode_text)
    return lambda: encode(batch).numpy()


def fastest(runs, most=float("inf")):
    """{name: ms of its fastest run} of functions that take turns, for `most` seconds."""
    return least({name: timed(run) for name, run in runs.items()}, most)


def timed(run):
    """A function that runs another and returns the milliseconds."""

    def milliseconds():
        begin = time.perf_counter()
        run()
        return (time.perf_counter() - begin) * 1000

    return milliseconds


def least(runs, most=float("inf")):
    """{name: the least ms} of functions that say how long they took, in turns.

    After `most` seconds there is no further round, however few there were.
    """
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(WARM_UP):
        for run in runs.values():
            run()
    started, spent, rounds, order = time.perf_counter(), 0, 0, random.Random(0)
    while (rounds < ROUNDS or spent < SECONDS) and spent < most:
        for name in order.sample(list(runs), len(runs)):
            time.sleep(PAUSE)
            best[name] = min(best[name], runs[name]())
        rounds, spent = rounds + 1, time.perf_counter() - started
    return {name: round(milliseconds, 3) for name, milliseconds in best.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("checkpoint", "reference", "fp32", "model"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    tower = graphs.load(arguments.fp32).metadata_props["graph"]
    batch = one_input(arguments.reference, tower)
    runs = {
        "run_ms": onnx_run(arguments.model, batch),
        "fp32_ms": onnx_run(arguments.fp32, batch),
        "torch_ms": torch_run(arguments.checkpoint, tower, batch),
    }
    found, several = fastest(runs), np.repeat(batch, BATCH, axis=0)
    files = {"run_8_ms": arguments.model, "fp32_8_ms": arguments.fp32}
    runs = {name: onnx_run(file, several) for name, file in files.items()}
    print(json.dumps(found | fastest(runs, MOST), allow_nan=False))


if __name__ == "__main__":
    command.run(main)
