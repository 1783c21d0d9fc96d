"""AveragePool(x, kernel 1, stride 1) -> x.

The ResNets' downsampling branches start with a pool even where the stride is 1. (Padding
is smaller than the kernel, so there is none.)
"""

from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x):
    return op.AveragePool(x, _allow_other_attributes=True, _outputs=["pooled"])


def check(context, x, pooled):
    result = MatchResult()
    attributes = pooled.producer().attributes
    if any(size != 1 for size in attributes["kernel_shape"].as_ints()):
        return result.fail("the kernel is larger than 1")
    strides = attributes.get("strides")
    if strides and any(step != 1 for step in strides.as_ints()):
        return result.fail("the stride is larger than 1")
    return result


def rewrite(op, x, **_):
    return op.Identity(x)


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
