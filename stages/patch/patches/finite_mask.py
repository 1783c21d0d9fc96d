"""Add(scores, mask with -inf) -> Add(scores, mask with -1e4), and of a mask that is cut first.

For compilers that quantise the mask or compute in half precision. The softmax of CLIP's scores
is 0 there all the same, to the last bit of float32. Not for masks that are computed.
"""

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet

LOW = -1e4  # exp of it is 0 even in float64, and float16 holds it


def added(op, scores, mask):
    return op.Add(scores, mask, _outputs=["masked"])


def cut(op, mask, start, end, axes, step):
    return op.Slice(mask, start, end, axes, step, _outputs=["masked"])


def check(context, mask, **_):
    result = MatchResult()
    if mask.const_value is None or mask.dtype != ir.DataType.FLOAT:
        return result.fail("no stored mask")
    if not np.isneginf(mask.const_value.numpy()).any():
        return result.fail("the mask is finite")
    return result


def _finite(op, mask, masked):
    values = mask.const_value.numpy()
    low = np.where(np.isneginf(values), np.float32(LOW), values)
    name = f"{masked.name}.mask"  # of its own, until the cleaning finds the equal ones
    return op.initializer(ir.tensor(low, name=name), name=name)


def add_finite(op, scores, mask, masked):
    return op.Add(scores, _finite(op, mask, masked))


def cut_finite(op, mask, start, end, axes, step, masked):
    return op.Slice(_finite(op, mask, masked), start, end, axes, step)


rules = RewriteRuleSet([RewriteRule(added, add_finite, check), RewriteRule(cut, cut_finite, check)])
