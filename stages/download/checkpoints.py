"""Checkpoints as OpenAI and others publish them: reading and checking."""

import hashlib
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.openai import archive, models
from stages.download import formats

TYPES = (torch.float16, torch.float32, torch.int64)  # int64: BatchNorm's counters


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
    with zipfile.ZipFile(path) as file:
        scripted = any(Path(name).name == "constants.pkl" for name in file.namelist())
    try:
        if scripted:
            with archive.deprecated_format():
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
    state = {name: tensor for name, tensor in state.items() if name not in archive.BOOKKEEPING}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        sizes = architecture.read(shapes)
    except ValueError as error:
        raise command.Refusal(f"{path} is no CLIP checkpoint: {error}") from None
    expected = {name: tuple(t.shape) for name, t in models.empty_model(sizes).state_dict().items()}
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
