"""AveragePool(x, kernel k) -> Conv(x, 1/k², one group a channel).

The same sums in an operator whose meaning never changed between versions. Not where padding is
left out of the mean or the window goes beyond the picture, nor for an unknown channel count.
"""

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet

KEPT = ("kernel_shape", "strides", "pads", "dilations")


def pattern(op, x):
    return op.AveragePool(x, _allow_other_attributes=True, _outputs=["pooled"])


def check(context, x, pooled):
    result = MatchResult()
    attributes = pooled.producer().attributes
    if x.shape is None or not isinstance(x.shape[1], int):
        return result.fail("the number of channels is unknown")
    if x.dtype != ir.DataType.FLOAT:
        return result.fail("the picture is not float32")
    if (
        attributes.get_int("ceil_mode", 0)
        or attributes.get_string("auto_pad", "NOTSET") != "NOTSET"
    ):
        return result.fail("the window may go beyond the picture")
    if any(attributes.get_ints("pads", [])) and not attributes.get_int("count_include_pad", 0):
        return result.fail("padding is left out of the mean")
    return result


def rewrite(op, x, pooled):
    attributes = pooled.producer().attributes
    kept = {name: attributes[name] for name in KEPT if name in attributes}
    kernel, channels = attributes["kernel_shape"].as_ints(), x.shape[1]
    weight = np.full((channels, 1, *kernel), 1 / np.prod(kernel), np.float32)
    name = f"{pooled.name}.weight"
    return op.Conv(
        x, op.initializer(ir.tensor(weight, name=name), name=name), group=channels, **kept
    )


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
