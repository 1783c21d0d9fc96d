"""q, k, v = Split(x) -> q, k, v = three Slices of x.

For runtimes without Split. Not for an axis of unknown size or one that three does not divide.
"""

from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x):
    return op.Split(
        x, num_outputs=3, _allow_other_attributes=True, _outputs=["first", "second", "third"]
    )


def _axis(first):
    return first.producer().attributes.get_int("axis", 0)


def check(context, x, first, **_):
    result = MatchResult()
    size = x.shape[_axis(first)] if x.shape is not None else None
    if not isinstance(size, int) or size % 3:
        return result.fail(f"{size} is not three parts of one known size")
    return result


def rewrite(op, x, first, **_):
    axis = _axis(first) % len(x.shape)
    size = x.shape[axis] // 3
    bounds = [op.Constant(value_ints=[part * size]) for part in range(4)]
    where = op.Constant(value_ints=[axis])
    return [op.Slice(x, bounds[part], bounds[part + 1], where) for part in range(3)]


rules = RewriteRuleSet([RewriteRule(pattern, rewrite, check)])
