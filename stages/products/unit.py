"""Embeddings of length 1, so that a dot product of two is their cosine."""

import onnx_ir as ir
from onnxscript import build_graph

from stages import command, graph
from stages.products.joining import join

SMALLEST = 1e-12  # a zero vector stays one
AXES_ARE_INPUTS = 18  # of ReduceL2; attributes in earlier opsets


def normalize(model, name):
    """Divide the output `name`, float [batch, E], by its length. Returns `model`, changed in place.

    Half-precision embeddings are normalised in fp32, where their squares do not overflow, and stay
    fp32. Raises Refusal if there is no such output.
    """
    ...
