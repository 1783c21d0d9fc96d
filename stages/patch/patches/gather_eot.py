"""GatherND(x, [range, index]) -> GatherND(x, index, batch_dims=1).

PyTorch's `x[torch.arange(batch), index]` becomes a table of coordinates made from the batch's
size; with one batch dimension the index alone says the same. Not where the rows are counted
from anything but 0 in steps of 1, or up to anything but x's own batch. Where the batch is fixed
the coordinates of the rows are a stored table.
"""

import numpy as np
import onnx_ir as ir
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet


def pattern(op, x, index, start, end, step, last, last2):
    rows = op.Unsqueeze(op.Range(start, end, step), last)
    coordinates = op.Concat(rows, op.Unsqueeze(index, last2), axis=-1)
    return op.GatherND(x, coordinates, batch_dims=0)


def check(context, x, index, start, end, step, last, last2):
    result = MatchResult()
    constants = [v.const_value.numpy().item() if v.const_value else None for v in (start, step)]
    if constants != [0, 1]:
        return result.fail("rows are not counted from 0 in steps of 1")
    for axes in (last, last2):
        if axes.const_value is None or axes.const_value.numpy().tolist() not in ([-1], [1]):
            return result.fail("rows and index do not stand side by side")
    if x.shape is None or index.shape is None or x.shape[0] != index.shape[0]:
        return result.fail("x and index have different batches")
    return result


def rewrite(op, x, index, last2, **_):
    return op.GatherND(x, column(op, x, index, last2), batch_dims=1)


def column(op, x, index, last):
    """The index as [batch, 1]. Where an Unsqueeze makes it, ONNX Runtime's GatherND keeps all rows
    of an empty batch."""
    if isinstance(x.shape[0], int):
        return op.Unsqueeze(index, last)
    return op.Reshape(index, op.Constant(value=ir.tensor(np.array([-1, 1]))))


def table(op, x, rows, index, last2):
    coordinates = op.Concat(rows, op.Unsqueeze(index, last2), axis=-1)
    return op.GatherND(x, coordinates, batch_dims=0)


def check_table(context, x, rows, last2, **_):
    result = MatchResult()
    if rows.const_value is None or x.shape is None or not isinstance(x.shape[0], int):
        return result.fail("the rows are not stored")
    if not np.array_equal(rows.const_value.numpy(), np.arange(x.shape[0])[:, None]):
        return result.fail("the rows are not x's in order")
    if last2.const_value is None or last2.const_value.numpy().tolist() not in ([-1], [1]):
        return result.fail("rows and index do not stand side by side")
    return result


rules = RewriteRuleSet(
    [RewriteRule(pattern, rewrite, check), RewriteRule(table, rewrite, check_table)]
)
