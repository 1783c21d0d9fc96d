"""What stands between the two products of a block's MLP, written as graphs shall have it."""

import math

import torch

from clip_onnx.checkpoint.network import GELU, GELU_TANH, QUICK_GELU


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def gelu(x):
    """By the error function, in the order of which ONNX Runtime makes one operator, Gelu."""
    return x * (1 + torch.erf(x / math.sqrt(2))) * 0.5


def gelu_tanh(x):
    """The approximation by tanh, in the order of which ONNX Runtime makes one, FastGelu."""
    inner = x * math.sqrt(2 / math.pi) * (1 + x * (x * 0.044715))
    return x * 0.5 * (1 + torch.tanh(inner))


ACTIVATIONS = {QUICK_GELU: quick_gelu, GELU: gelu, GELU_TANH: gelu_tanh}
