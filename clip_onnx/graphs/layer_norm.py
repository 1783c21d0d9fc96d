"""LayerNormalization(x, gain, bias) -> its mean, deviations and variance written out.

For operator sets below 17, and runtimes without the operator. Squares are products, because some
of those runtimes have no Pow. Half precision is widened inside, as the operator does. Not where
more than the last axis is normalised.
"""

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet

EPSILON = 1e-5  # the operator's default


def pattern(op, x, gain, bias):
    return op.LayerNormalization(
        x, gain, bias, _allow_other_attributes=True, _outputs=["normalized"]
    )


def check(context, x, normalized, **_):
    result = MatchResult()
    axis = normalized.producer().attributes.get_int("axis", -1)
    if axis != -1 and (x.shape is None or axis != len(x.shape) - 1):
        return result.fail(f"axis {axis} may not be the last")
    if x.dtype is None:
        return result.fail(f"the type of {x.name} is unknown")
    return result


def rewrite(op, x, gain, bias, normalized):
    epsilon = normalized.producer().attributes.get_float("epsilon", EPSILON)
    last = op.Constant(value_ints=[-1])
    wide = x if x.dtype == ir.DataType.FLOAT else op.Cast(x, to=ir.DataType.FLOAT)
    deviation = op.Sub(wide, op.ReduceMean(wide, last))
    variance = op.ReduceMean(op.Mul(deviation, deviation), last)
    unit = op.Div(deviation, op.Sqrt(op.Add(variance, op.Constant(value_float=epsilon))))
    if wide is not x:
        unit = op.Cast(unit, to=x.dtype)
    return op.Add(op.Mul(unit, gain), bias)


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
