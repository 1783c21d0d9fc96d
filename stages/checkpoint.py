"""Checkpoints as OpenAI and others publish them: reading, checking and writing."""

import contextlib
import hashlib
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages import architecture, command, formats
from stages.openai import CLIP

BOOKKEEPING = ("input_resolution", "context_length", "vocab_size")  # no weights, in OpenAI's files
TYPES = (torch.float16, torch.float32, torch.int64)  # int64: BatchNorm's counters


@contextlib.contextmanager
def deprecated_format():
    """torch.jit is deprecated, and TorchScript is the format that OpenAI published."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # of shape checks
        yield


def load(path, sha256, activation=None):
    """The state dict of a checkpoint with this SHA-256, weights as stored, on the CPU.

    The digest is checked before anything of the file is read, because a TorchScript archive runs
    code when it loads. Any other file is a state dict or safetensors, with OpenAI's names or those
    that formats.py knows; `activation` is what params.yaml says of it. Names come out as OpenAI's.
    """
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise command.Refusal(
            f"{path} cannot be read ({error.strerror}): correct its `source` in params.yaml"
        ) from None
    if sha256 is None:
        raise command.Refusal(
            f"{path} is not pinned: add `sha256: {digest}` to it in params.yaml once you trust it"
            " (a TorchScript archive runs code when it loads)"
        )
    if digest != sha256:
        raise command.Refusal(
            f"{path} has SHA-256 {digest}, params.yaml pins {sha256}: the file is truncated or"
            " another one; fetch it again or correct the pin"
        )
    content, scripted = _read(path)
    state = formats.unwrapped(content)
    _check_tensors(state, path)
    renamed = formats.HUGGING_FACE in state
    state = _checked(formats.to_openai(state), path, renamed)
    if not scripted:
        formats.check_activation(path, activation)
    return state


def _read(path):
    """(content, whether it is a TorchScript archive) of a file."""
    if _is_safetensors(path):
        try:
            return load_file(path), False
        except SafetensorError as error:
            reason = command.first_line(error)
            raise command.Refusal(f"{path} is truncated, fetch it again: {reason}") from None
    if not zipfile.is_zipfile(path):
        raise command.Refusal(
            f"{path} is truncated or in no format of today's PyTorch: fetch it again, or load it"
            " where it came from and torch.save its state dict"
        )
    with zipfile.ZipFile(path) as archive:
        scripted = any(Path(name).name == "constants.pkl" for name in archive.namelist())
    try:
        if scripted:
            with deprecated_format():
                return torch.jit.load(path, map_location="cpu").state_dict(), True
        return torch.load(path, map_location="cpu", weights_only=True), False
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = command.first_line(error)
        raise command.Refusal(f"{path} cannot be loaded, save a state dict: {reason}") from None


def _is_safetensors(path):
    """Whether a file starts as safetensors do: the header's length, then the JSON header."""
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _check_tensors(state, path):
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and torch.is_tensor(tensor) for name, tensor in state.items()
    ):
        raise command.Refusal(f"{path} holds no state dict: save `model.state_dict()` instead")


def _checked(state, path, renamed):
    """The state dict, refused unless its names, types and shapes are those of one CLIP.

    Messages use the names of the file: Hugging Face's if it was `renamed`.
    """
    state = {name: tensor for name, tensor in state.items() if name not in BOOKKEEPING}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        sizes = architecture.read(shapes)
    except ValueError as error:
        raise command.Refusal(f"{path} is no CLIP checkpoint: {error}") from None
    expected = {name: tuple(t.shape) for name, t in empty_model(sizes).state_dict().items()}
    for what, names in {
        "it lacks": expected.keys() - shapes.keys(),
        "it has an unknown": shapes.keys() - expected.keys(),
        "a wrong shape has": {k for k in shapes if k in expected and shapes[k] != expected[k]},
        "neither fp16 nor fp32 is": {k for k, v in state.items() if v.dtype not in TYPES},
    }.items():
        if names:
            theirs = map(formats.hugging_face_name, names) if renamed else names
            listed = ", ".join(sorted(theirs))
            raise command.Refusal(f"{path} is no CLIP checkpoint: {what} {listed}")
    return state


def new_model(sizes):
    """OpenAI's own module for an architecture, as its constructor fills it."""
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


def empty_model(sizes):
    """`new_model` on the meta device: shapes without storage."""
    with torch.device("meta"):
        return new_model(sizes)


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
