"""Slice(Slice(x, axis a), axis b) -> Slice(x, axes [a, b]).

The causal mask is cut to the text's length on both axes; one node does it. Not where both cuts
are on the same axis: the second then counts from the first.
"""

from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x, start, end, axis, step, start2, end2, axis2, step2):
    return op.Slice(op.Slice(x, start, end, axis, step), start2, end2, axis2, step2)


def check(context, x, axis, axis2, **_):
    result = MatchResult()
    if axis.const_value is None or axis2.const_value is None:
        return result.fail("an axis is computed")
    first, second = axis.const_value.numpy(), axis2.const_value.numpy()
    if (first < 0).any() or (second < 0).any() or set(first) & set(second):
        return result.fail("the axes may be the same")
    return result


def rewrite(op, x, start, end, axis, step, start2, end2, axis2, step2):
    pairs = ((start, start2), (end, end2), (axis, axis2), (step, step2))
    return op.Slice(x, *(op.Concat(*pair, axis=0) for pair in pairs))


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
