"""Tensors that some checkpoints have besides, and others lack: no weights of the towers.

Each is what OpenAI's code has in its place, or the file is of another network.
"""

import math

import torch

from clip_onnx import command
from clip_onnx.openai import archive

INITIAL_SCALE = math.log(1 / 0.07)  # of OpenAI's constructor
SCALE, BIAS, MASK = "logit_scale", "logit_bias", "attn_mask"
POSITION_IDS = ".position_ids"
COMPARABLE = (
    torch.bool,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)


def settled(state, path, whole):
    """The state dict without what is no weight, and with a scalar logit_scale if it is `whole`.

    One tower alone has no logits to scale. Says on stdout what was left out or put in that changes
    CLIP's logits.
    """
    state = {name: t for name, t in state.items() if name not in archive.BOOKKEEPING}
    for name in [name for name, tensor in state.items() if tensor.dtype in COMPARABLE]:
        if name == MASK:
            _check(_is_causal(state.pop(name)), path, name, "no text token looks ahead of itself")
        elif name.endswith(POSITION_IDS):
            counted = _counts(state.pop(name))
            _check(counted, path, name, "positions are counted from 0")
        elif name == BIAS and state[name].numel() == 1:
            bias = float(state.pop(name))
            print(f"{path}: its logit_bias of {bias:g} is left out, for OpenAI's logits have none")
    if not whole:
        if state.pop(SCALE, None) is not None:
            print(f"{path}: its logit_scale is left out, for one tower alone has no logits")
    elif SCALE not in state:
        state[SCALE] = torch.tensor(INITIAL_SCALE)
        print(f"{path}: it has no logit_scale; OpenAI's initial one, ln(1/0.07), stands for it")
    elif state[SCALE].numel() == 1:
        state[SCALE] = state[SCALE].reshape(())
    return state


def _check(right, path, name, openai):
    if not right:
        raise command.Refusal(
            f"{path} has another {name} than OpenAI's code, where {openai}: it is another network,"
            " which this project does not build"
        )


def _is_causal(mask):
    """Whether a mask hides what follows a token and nothing else: by -inf, its least, or True."""
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        return False
    hidden = mask if mask.dtype == torch.bool else mask < -1e3
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    return torch.equal(hidden, ahead) and not mask.masked_fill(hidden, 0).any()


def _counts(ids):
    return torch.equal(ids.flatten().double(), torch.arange(ids.numel()).double())
