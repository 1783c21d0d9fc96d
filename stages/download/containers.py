"""Opening a file of weights, whatever its name: safetensors, torch.save's zip, TorchScript.

What torch, pickle, zipfile and safetensors say of broken bytes is advice to their own callers
(torch's is to load with code), in any number of lines. None of it is passed on but names.
"""

import re
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from clip_onnx import command
from clip_onnx.openai import archive

UNPACKED = 64 << 20  # bytes that a zip may declare beyond its own size: code is compressed
FOREIGN = re.compile(r"GLOBAL ([\w.]+)")  # what torch says of a class that it does not load


def read(path):
    """(content, whether it is a TorchScript archive) of a file. Raises Refusal.

    A TorchScript archive runs code here: its digest must have been checked.
    """
    try:
        if _is_safetensors(path):
            return _safetensors(path), False
        if _starts(path, 4) == b"PK\x03\x04":
            return _torch(path)
    except OSError as error:
        raise command.Refusal(f"{path} cannot be read ({error.strerror}): mend it") from None
    if _starts(path, 1) in (b"{", b"["):
        raise command.Refusal(
            f"{path} is a text and holds no weights: name their file, or their folder, as `source`"
        )
    raise command.Refusal(
        f"{path} is truncated or in no format of today's PyTorch: fetch it again, or load it"
        " where it came from and torch.save its state dict"
    )


def _starts(path, count):
    with open(path, "rb") as file:
        return file.read(count)


def _is_safetensors(path):
    """Whether a file starts as safetensors do: the header's length, then the JSON header."""
    return _starts(path, 9)[8:] == b"{"


def _safetensors(path):
    try:
        return load_file(path)
    except OSError:
        raise
    except Exception:  # SafetensorError, KeyError, OverflowError: of any broken header
        raise command.Refusal(
            f"{path} is no whole safetensors file: it is truncated or damaged, fetch it again"
        ) from None


def _torch(path):
    names = _check_sizes(path)
    scripted = any(Path(name).name == "constants.pkl" for name in names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols and old classes
            if scripted:
                with archive.deprecated_format():
                    return torch.jit.load(path, map_location="cpu").state_dict(), True
            with open(path, "rb") as file:  # of a path that ends in .safetensors torch goes by that
                return torch.load(file, map_location="cpu", weights_only=True), False
    except Exception as error:  # unpickling broken bytes raises of any kind
        foreign = FOREIGN.search(str(error))
        reason = f"it holds a {foreign[1]}" if foreign else "it is damaged"
        raise command.Refusal(
            f"{path} cannot be loaded ({reason}): fetch it again, or save a state dict, tensors by"
            " their names and nothing else"
        ) from None


def _check_sizes(path):
    """The names in a zip, refused if it would unpack to more than its own size."""
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
    except OSError:
        raise
    except Exception:  # BadZipFile, UnicodeDecodeError, NotImplementedError, …
        raise command.Refusal(f"{path} is a truncated or damaged zip: fetch it again") from None
    declared, size = sum(member.file_size for member in members), path.stat().st_size
    if declared > size + UNPACKED:
        raise command.Refusal(
            f"{path} has {size} bytes and would unpack to {declared}: torch.save does not compress"
            " weights; save its state dict anew"
        )
    return [member.filename for member in members]
