"""What training scripts put around a state dict: dicts of everything, and longer names."""

from collections import Counter

import torch

from clip_onnx import command
from stages.download import listing

KEYS = ("state_dict", "model_state_dict", "model")  # beside an optimizer's state, an epoch, …
DEEPEST = 4  # dicts within dicts
OUTER = {"module", "_orig_mod", "model", "clip_model", "clip"}  # names begin with any of them
ANYWHERE = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


def unwrapped(content, path):
    """{name without what was put before it: dense tensor} of what a file holds."""
    state = _state_dict(content, path)
    names = [plain(name) for name in state]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise command.Refusal(
            f"{path} holds two models, for it has twice {listing.listed(twice)}: save the one that"
            " counts"
        )
    return dict(zip(names, (tensor.detach() for tensor in state.values()), strict=True))


def _state_dict(content, path):
    for _ in range(DEEPEST):
        inner = [key for key in KEYS if isinstance(content, dict) and _holds(content, key)]
        if len(inner) > 1:
            raise command.Refusal(
                f"{path} holds several state dicts ({', '.join(inner)}): save the one that counts"
            )
        if not inner:
            break
        content = content[inner[0]]
    if not isinstance(content, dict) or not content or not all(map(_is_entry, content.items())):
        raise command.Refusal(f"{path} holds no state dict: save `model.state_dict()` instead")
    return content


def _holds(content, key):
    return isinstance(content.get(key), dict)


def _is_entry(entry):
    """Whether it is a name and a tensor with numbers in this machine's memory."""
    name, tensor = entry
    return (
        isinstance(name, str)
        and type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
    )


def plain(name):
    """A tensor's name without what wrappers put before and into it."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in OUTER:
        parts = parts[1:]
    return ".".join(part for part in parts if part not in ANYWHERE)
