"""Reshape(x, computed shape) -> Reshape(x, constant shape).

Where shape inference knows every dimension of the result, or knows that a dynamic one is x's
dimension at the same place (0 in ONNX: copy), the arithmetic that computed the shape goes.
Not where a dynamic dimension moves or is new. A constant shape without zeros loses `allowzero`,
which older operator sets lack and compilers refuse.
"""

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x, shape):
    return op.Reshape(x, shape, _outputs=["reshaped"])


def target(x, reshaped):
    """The constant shape, or None where there is none."""
    if x.shape is None or reshaped.shape is None:
        return None
    dimensions = []
    for place, size in enumerate(reshaped.shape):
        if isinstance(size, int):
            dimensions.append(size)
        elif place < len(x.shape) and x.shape[place] == size and size.value is not None:
            dimensions.append(0)
        else:
            return None
    return dimensions


def check(context, x, shape, reshaped):
    result = MatchResult()
    if shape.const_value is not None:
        return result.fail("the shape is constant already")
    if target(x, reshaped) is None:
        return result.fail("a dynamic dimension of the result is not x's at the same place")
    if 0 in (reshaped.shape or []):
        return result.fail("a dimension of size 0 cannot be told from a copied one")
    return result


def rewrite(op, x, reshaped, **_):
    shape = op.Constant(value=ir.tensor(target(x, reshaped), dtype=ir.DataType.INT64))
    return op.Reshape(x, shape)


def literal(op, x, shape):
    return op.Reshape(x, shape, allowzero=1)


def check_literal(context, shape, **_):
    result = MatchResult()
    if shape.const_value is None or not shape.const_value.numpy().all():
        return result.fail("a size may be 0")
    return result


def plain(op, x, shape):
    return op.Reshape(x, shape)


rules = RewriteRuleSet(
    [RewriteRule(pattern, rewrite, check), RewriteRule(literal, plain, check_literal)]
)
