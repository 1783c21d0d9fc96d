"""GatherND(x, Unsqueeze(index), batch_dims=1) -> Gather(Squeeze(x), index), for a batch of 1.

For runtimes without GatherND, after `gather_eot`. Not where the batch is dynamic or larger.
"""

from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x, index, last):
    return op.GatherND(x, op.Unsqueeze(index, last), batch_dims=1)


def check(context, x, index, last):
    result = MatchResult()
    if x.shape is None or len(x.shape) != 3 or x.shape[0] != 1:
        return result.fail("the batch is not 1")
    if index.shape is None or len(index.shape) != 1:
        return result.fail("there is more than one index a row")
    return result


def rewrite(op, x, index, last):
    return op.Gather(op.Squeeze(x, op.Constant(value_ints=[0])), index, axis=0)


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
