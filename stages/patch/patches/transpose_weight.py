"""MatMul(x, Transpose(W)) -> MatMul(x, W.T), where W is a stored matrix and so is W.T.

Constant folding would do the same with every transposed copy in memory at once and without the
weights' names; here each copy is made when the file is written. Not for weights that are computed.
"""

import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet

from clip_onnx import graphs


def pattern(op, x, weight):
    return op.MatMul(x, op.Transpose(weight, perm=[1, 0]))


def check(context, weight, **_):
    result = MatchResult()
    if not weight.is_initializer():
        return result.fail(f"{weight.name} is no stored weight")
    return result


def rewrite(op, x, weight):
    stored, name = weight.const_value, f"{weight.name}.T"
    rows, columns = stored.shape
    transposed = ir.LazyTensor(
        lambda: ir.tensor(graphs.array(stored).T.copy(), name=name),
        dtype=stored.dtype,
        shape=ir.Shape([columns, rows]),
        name=name,
    )
    return op.MatMul(x, op.initializer(transposed, name=name))


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
