"""Running a tower with ONNX Runtime as its users do: default options, on the CPU."""

import contextlib
import ctypes
from pathlib import Path

import numpy as np
import onnxruntime

from stages import graph, tokens

BATCH = 16


def session(path):
    """A session of a model's file, or of the one in a model's directory."""
    path = Path(path)
    file = path / graph.FILE if path.is_dir() else path
    loaded = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    # glibc keeps what loading freed: as much again as the fp32 weights, of a quantised file.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return loaded


def run(tower, batches):
    """Embeddings of all the batches, concatenated: float32 [n, E]."""
    name = tower.get_inputs()[0].name
    return np.concatenate([tower.run(None, {name: batch})[0] for batch in batches])


def batches(items, size=BATCH):
    return (items[start : start + size] for start in range(0, len(items), size))


def picture_settings(pictures):
    """The ways to feed pictures that must not differ: one at a time, and sixteen."""
    return [batches(pictures, 1), batches(pictures)]


def text_settings(rows):
    """The ways to feed token rows that must not differ.

    No padding at all; padding with the end token to the batch's longest, as Hugging Face's
    tokenizer does; and padding with 0 to 77, as OpenAI's does.
    """
    return [
        (tokens.pad([row]) for row in rows),
        (tokens.pad(batch, tokens.END_ID) for batch in batches(rows)),
        (tokens.pad(batch, 0, tokens.CONTEXT) for batch in batches(rows)),
    ]
