"""What the numbers of a checkpoint may be: floats that fp32 holds, finite, in the file."""

import numpy as np
import torch

from clip_onnx import command
from stages.download import listing

KEPT = (torch.float16, torch.float32)
CHANGED = {  # into fp32
    torch.bfloat16: "bfloat16, widened to fp32: the same numbers",
    torch.float64: "float64, rounded to fp32",
}
AT_ONCE = 2**22  # numbers that are looked at: what torch makes on the way takes nine bytes for each
COUNTERS = ".num_batches_tracked"  # BatchNorm's, the one integer among the weights


def check_extent(state, path, size):
    """Refuse tensors that take more memory than their files have bytes: one may be all of many."""
    taken = sum(tensor.nbytes for tensor in state.values())
    if taken > size:
        raise command.Refusal(
            f"{path} has {size} bytes, its tensors take {taken}: some share their numbers; save"
            " contiguous copies"
        )


def in_known_types(state, path):
    """The tensors in fp16 or fp32. Says on stdout which were in another type."""
    _refuse(
        f"{path} has no floats in",
        {n: str(t.dtype).removeprefix("torch.") for n, t in state.items() if not _known(n, t)},
        "save its weights in fp16, bfloat16 or fp32",
    )
    for dtype, change in CHANGED.items():
        names = [name for name, tensor in state.items() if tensor.dtype == dtype]
        if names:
            print(f"{path}: {len(names)} of {len(state)} tensors are {change}")
    return {n: t.float() if t.dtype in CHANGED else t for n, t in state.items()}


def _known(name, tensor):
    if name.endswith(COUNTERS):
        return tensor.dtype == torch.int64
    return tensor.dtype in KEPT or tensor.dtype in CHANGED


def check_values(state, path, theirs):
    """Refuse what cannot be computed with. `theirs(name)` is a tensor's name in the file."""
    wrong = {theirs(name): _wrong(name, tensor) for name, tensor in state.items()}
    wrong = {name: what for name, what in wrong.items() if what}
    _refuse(f"{path} is not sound:", wrong, "train or save it again")
    if "logit_scale" in state:
        _check_scale(float(state["logit_scale"]), path, theirs)


def _check_scale(scale, path, theirs):
    with np.errstate(over="ignore", under="ignore"):
        factor = np.exp(np.float32(scale))
    if not 0 < factor < np.inf:
        raise command.Refusal(
            f"{path} has a {theirs('logit_scale')} of {scale:g}: e to that is {factor:g} in fp32,"
            " and OpenAI's is at most 100; save the logarithm of the factor"
        )


def _wrong(name, tensor):
    """What is wrong with the numbers of a tensor, or nothing."""
    if not tensor.is_floating_point():
        return ""
    parts = tensor.flatten().split(AT_ONCE)
    bad = tensor.numel() - sum(int(torch.isfinite(part).sum()) for part in parts)
    if bad:
        return f"{bad} of {tensor.numel()} NaN or infinite"
    negative = int((tensor < 0).sum()) if name.endswith(".running_var") else 0
    return f"{negative} of {tensor.numel()} variances below zero" if negative else ""


def _refuse(what, wrong, remedy):
    """Refuse with up to three of {name: what is wrong}."""
    if wrong:
        first = {name: wrong[name] for name in sorted(wrong)}
        named = [f"{listing.printable(name)} ({reason})" for name, reason in first.items()]
        raise command.Refusal(f"{what} {listing.shortened(named)}: {remedy}")
