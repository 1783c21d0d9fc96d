"""LayerNormalization(x, gain, bias) -> its mean, deviations and variance written out.

For operator sets below 17, which clip_onnx/graphs/lowering.py writes so, and runtimes without it.
"""

from clip_onnx.graphs.layer_norm import rules

__all__ = ["rules"]
