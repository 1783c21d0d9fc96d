"""x * (1 + Erf(x / sqrt(2))) * 0.5 -> Relu(x) less what Exp and a polynomial give.

For runtimes without Erf. The error function is Abramowitz and Stegun's 7.1.26 (Handbook of
Mathematical Functions, 1964), off by 1.5e-7 at most, which is what float32 tells apart near 1. Not
in half precision.
"""

import math

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet

WIDTH = 0.3275911
FACTORS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)  # of t**5 to t


def pattern(op, x, root, one, half):
    return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, root)), one)), half)


def check(context, x, root, one, half):
    result, wanted = MatchResult(), {root: math.sqrt(2), one: 1, half: 0.5}
    for value, number in wanted.items():
        found = value.const_value
        if (
            found is None
            or found.size != 1
            or not math.isclose(found.numpy().item(), number, rel_tol=1e-6)
        ):
            return result.fail(f"{value.name} is not {number:.7g}")
    if x.dtype != ir.DataType.FLOAT:
        return result.fail(f"{x.name} is {x.dtype}, not float32")
    return result


def rewrite(op, x, **_):
    def number(value):
        return op.Constant(value_float=value)

    size = op.Abs(x)
    share = op.Div(number(1.0), op.Add(op.Mul(size, number(WIDTH / math.sqrt(2))), number(1.0)))
    polynomial = op.Mul(share, number(FACTORS[0]))
    for factor in FACTORS[1:]:
        polynomial = op.Mul(share, op.Add(polynomial, number(factor)))
    tail = op.Mul(polynomial, op.Exp(op.Mul(op.Mul(x, x), number(-0.5))))  # 1 - erf
    return op.Sub(op.Relu(x), op.Mul(op.Mul(size, tail), number(0.5)))


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
