"""A downloaded checkpoint: `weights.safetensors` and `tokenizer.json` in one directory.

Tensors carry OpenAI's names and stand exactly as stored; the header says which file they are
from (`sha256`). Nothing here needs torch. The file is mapped into memory anew for every tensor:
one mapping for all would keep resident whatever has been read.
"""

from pathlib import Path

import numpy as np
from safetensors import safe_open

FILE = "weights.safetensors"


def _open(directory):
    return safe_open(Path(directory) / FILE, framework="numpy")


def shapes(directory):
    """{name: shape} of every tensor, from the file's header alone."""
    with _open(directory) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def sha256(directory):
    """The digest of the checkpoint that the tensors are from."""
    with _open(directory) as file:
        return file.metadata()["sha256"]


def read(directory, name):
    """One tensor as stored, a numpy array of its own."""
    with _open(directory) as file:
        return file.get_tensor(name)


def logit_scale(directory):
    """What CLIP.forward multiplies cosines with: e to the checkpoint's `logit_scale`."""
    return float(np.exp(read(directory, "logit_scale").astype(np.float64)))
