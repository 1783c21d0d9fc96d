"""What the fuzzers of checkpoints share: a small model, broken bytes, and what may come out."""

import contextlib

import pytest
import torch

from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import tokens
from clip_onnx.openai import models
from stages.download import checkpoints, sources

import budget

WORDS = 300  # of the vocabulary: the token table is most of a small model
SIZES = architecture.Architecture(64, 32, 1, 64, 16, 77, WORDS, 64, 1)


def state_dict():
    torch.manual_seed(0)
    return {name: tensor.detach() for name, tensor in models.new_model(SIZES).state_dict().items()}


@contextlib.contextmanager
def bounded():
    """Small models pass, and all that is done here takes little memory."""
    before = budget.peak()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "SIZE", WORDS)
        yield
    assert budget.peak() - before < budget.MEMORY


def loads(path, activation="quick_gelu"):
    """Whether a file or folder loads; if not, it was refused in one line of this project's."""
    try:
        checkpoints.load(path, sources.digest(sources.find(path)), activation)
    except command.Refusal as refusal:
        assert str(refusal) == command.one_line(refusal)
        assert "weights_only" not in str(refusal)
        return False
    return True


def flipped(content, rng, first=0):
    """The bytes with some changed, cut out or repeated behind the place `first`."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(first, len(content)) if len(content) > first else 0
        kind = rng.random()
        if kind < 0.7:
            content[place : place + 1] = bytes([rng.choice([0, 1, 127, 255, rng.randrange(256)])])
        elif kind < 0.85:
            del content[place : place + rng.randint(1, 20)]
        else:
            content[place:place] = content[place : place + rng.randint(1, 20)]
    return bytes(content)
