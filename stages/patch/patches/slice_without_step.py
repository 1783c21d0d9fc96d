"""Slice(x, start, end, axes, 1) -> Slice(x, start, end, axes).

For runtimes whose Slice takes no steps. Not where a step is another than 1.
"""

from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x, start, end, axes, step):
    return op.Slice(x, start, end, axes, step)


def check(context, step, **_):
    result = MatchResult()
    if step.const_value is None or (step.const_value.numpy() != 1).any():
        return result.fail("a step may be another than 1")
    return result


def rewrite(op, x, start, end, axes, step):
    return op.Slice(x, start, end, axes)


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
