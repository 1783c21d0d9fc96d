"""Checkpoints as OpenAI and others publish them: reading, checking and writing."""

import contextlib
import hashlib
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch

from stages import architecture, command
from stages.openai import CLIP

BOOKKEEPING = ("input_resolution", "context_length", "vocab_size")  # no weights, in OpenAI's files


@contextlib.contextmanager
def deprecated_format():
    """torch.jit is deprecated, and TorchScript is the format that OpenAI published."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # of shape checks
        yield


def check_sha256(path, expected):
    """Refuse a file whose SHA-256 is not the pinned one. Returns the digest."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise command.Refusal(
            f"{path} does not exist: correct its `source` in params.yaml"
        ) from None
    if expected and digest != expected:
        raise command.Refusal(
            f"{path} has SHA-256 {digest}, params.yaml pins {expected}: the file is truncated or"
            " another one; fetch it again or correct the pin"
        )
    return digest


def read(path, pinned):
    """The state dict of a checkpoint, weights as stored, on the CPU.

    A TorchScript archive runs code when it loads, so it is only read when `pinned`: its SHA-256
    was given and has been checked. Anything else must be a plain state dict.
    """
    if not zipfile.is_zipfile(path):
        raise command.Refusal(f"{path} is truncated or no PyTorch checkpoint: fetch it again")
    with zipfile.ZipFile(path) as archive:
        scripted = any(Path(name).name == "constants.pkl" for name in archive.namelist())
    if scripted and not pinned:
        raise command.Refusal(
            f"{path} is a TorchScript archive, which runs code when loaded: give its `sha256` in"
            " params.yaml once you trust it"
        )
    try:
        if scripted:
            with deprecated_format():
                state = torch.jit.load(path, map_location="cpu").state_dict()
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise command.Refusal(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from None
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise command.Refusal(f"{path} holds no state dict: save `model.state_dict()` instead")
    return _checked({k: v for k, v in state.items() if k not in BOOKKEEPING}, path)


def _checked(state, path):
    """The state dict, refused unless its names and shapes are those of one CLIP."""
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        sizes = architecture.read(shapes)
    except ValueError as error:
        raise command.Refusal(f"{path} is {error}") from None
    expected = {name: tuple(t.shape) for name, t in empty_model(sizes).state_dict().items()}
    for what, names in {
        "lacks": expected.keys() - shapes.keys(),
        "has an unknown": shapes.keys() - expected.keys(),
        "has a wrong shape of": {k for k in shapes if k in expected and shapes[k] != expected[k]},
    }.items():
        if names:
            raise command.Refusal(
                f"{path} is no CLIP checkpoint: it {what} {', '.join(sorted(names))}"
            )
    return state


def empty_model(sizes):
    """OpenAI's own module for an architecture, on the meta device: shapes without storage."""
    with torch.device("meta"):
        return CLIP(
            sizes.embed_dim,
            sizes.resolution,
            sizes.vision_layers,
            sizes.vision_width,
            sizes.patch_size,
            sizes.context_length,
            sizes.vocab_size,
            sizes.text_width,
            sizes.text_heads,
            sizes.text_layers,
        )


def write_archive(model, path):
    """Write a `clip.model.CLIP` in half precision as OpenAI publishes its own.

    A traced TorchScript archive whose state dict also names resolution, context and vocabulary.
    The trace's source locations are left out: they hold paths of the machine. A fresh process
    writes the same bytes again; within one, torch numbers the traced classes on and on.
    """
    values = model.visual.input_resolution, model.context_length, model.vocab_size
    for name, value in zip(BOOKKEEPING, values, strict=True):
        model.__dict__.pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    side, length = values[:2]
    example = torch.zeros(1, 3, side, side), torch.ones(1, length, dtype=torch.int32)
    with deprecated_format():
        torch.jit.trace(model, example, check_trace=False).save(f"{path}.traced")
    archive = torch._C.PyTorchFileReader(f"{path}.traced")
    writer = torch._C.PyTorchFileWriter(f"{path}.tmp")
    for name in archive.get_all_records():
        if not (
            name.endswith(".debug_pkl") or name.startswith((".data/", "traced_inputs", "version"))
        ):
            content = archive.get_record(name)
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    os.remove(f"{path}.traced")
    os.replace(f"{path}.tmp", path)
