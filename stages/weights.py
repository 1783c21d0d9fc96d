"""A downloaded checkpoint: `weights.safetensors` and `tokenizer.json` in one directory.

Tensors carry OpenAI's names and stand exactly as stored; the header says which file they are
from (`sha256`). Nothing here needs torch.
"""

from pathlib import Path

from safetensors import safe_open

FILE = "weights.safetensors"


def open_weights(directory):
    """The open safetensors file (a context manager) that reads one numpy tensor at a time."""
    return safe_open(Path(directory) / FILE, framework="numpy")


def shapes(weights):
    """{name: shape} of an open file, from its header alone."""
    return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
