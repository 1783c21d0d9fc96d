"""Attention in one operator of ONNX Runtime's, in the place of ten nodes or thirteen.

    q, k, v [B, L, D] -> heads apart -> Softmax(q kᵀ / sqrt(64) [+ causal mask]) v -> [B, L, D]

This is com.microsoft's MultiHeadAttention; with the projection of one input to q, k and v before
it, com.microsoft's Attention, which adds the bias as it takes them apart. ONNX Runtime's GPU
providers compute both without writing the scores to memory. The causal mask becomes an attribute.
ONNX Runtime's own optimizer does not find this form.
"""

import numpy as np
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript.rewriter import MatchResult, RewriteRule, RewriteRuleSet, rewrite

from clip_onnx import command
from clip_onnx.graphs import CONTRIB


def scores(op, q, k, by_heads_q, by_heads_k, scale):
    heads_q = op.Transpose(op.Reshape(q, by_heads_q), perm=[0, 2, 1, 3])
    heads_k = op.Transpose(op.Reshape(k, by_heads_k), perm=[0, 2, 3, 1])
    return op.MatMul(op.Mul(heads_q, scale), heads_k)


def weighted(op, found, v, by_heads_k, joined):
    heads_v = op.Transpose(op.Reshape(v, by_heads_k), perm=[0, 2, 1, 3])
    mixed = op.MatMul(op.Softmax(found, axis=-1), heads_v)
    return op.Reshape(op.Transpose(mixed, perm=[0, 2, 1, 3]), joined)


def plain(op, q, k, v, by_heads_q, by_heads_k, scale, joined):
    found = scores(op, q, k, by_heads_q, by_heads_k, scale)
    return weighted(op, found, v, by_heads_k, joined)


def masked(op, q, k, v, by_heads_q, by_heads_k, scale, joined, mask):
    found = op.Add(scores(op, q, k, by_heads_q, by_heads_k, scale), mask)
    return weighted(op, found, v, by_heads_k, joined)


def check(context, by_heads_k, scale, mask=None, **_):
    result = MatchResult()
    if by_heads_k.const_value is None or scale.const_value is None:
        return result.fail("the heads or the scale are computed")
    length = by_heads_k.const_value.numpy()[-1]
    if not np.isclose(scale.const_value.numpy(), length**-0.5):
        return result.fail("another scale than that of the heads' length")
    if mask is not None and not is_causal(mask):
        return result.fail("another mask than the causal one")
    return result


def is_causal(mask):
    """Whether a mask is a stored one, or cut from one at its end, that hides what comes later."""
    node = mask.producer()
    stored = node.inputs[0].const_value if node and node.op_type == "Slice" else mask.const_value
    if stored is None or len(stored.shape) != 2:
        return False
    values = stored.numpy()
    return np.array_equal(values, np.triu(np.full(values.shape, -np.inf), 1))


def fused(op, q, k, v, by_heads_k, mask=None, **_):
    heads = int(by_heads_k.const_value.numpy()[2])
    attributes = {"num_heads": heads} | ({} if mask is None else {"unidirectional": 1})
    return op.MultiHeadAttention(q, k, v, **attributes, _domain=CONTRIB)


def projected(op, x, weight, bias):
    q, k, v = op.Split(op.MatMul(x, weight) + bias, _outputs=3)
    return op.MultiHeadAttention(q, k, v, _domain=CONTRIB, _outputs=["attended"])


def with_projection(op, x, weight, bias, attended):
    attributes = attended.producer().attributes
    return op.Attention(x, weight, bias, _domain=CONTRIB, **attributes)


HEADS = RewriteRuleSet([RewriteRule(plain, fused, check), RewriteRule(masked, fused, check)])
PROJECTION = RewriteRuleSet([RewriteRule(projected, with_projection)])


def fuse(model):
    """Write every attention so. Returns the model; refuses one with none, or with another."""
    model = rewrite(rewrite(model, HEADS), PROJECTION)
    RemoveUnusedNodesPass()(model)
    left = sum(node.op_type == "Softmax" for node in model.graph)
    if left or not any(node.domain == CONTRIB for node in model.graph):
        raise command.Refusal(
            f"{left} attentions are of another form than MultiHeadAttention's: take fp16, without"
            " `fused`"
        )
    model.graph.opset_imports[CONTRIB] = 1
    return model
