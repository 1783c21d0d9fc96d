"""Gemm(x, W, b) -> Add(MatMul(x, Transpose(W)), b), and without the transposition.

One form for every matrix product, so that encodings meet a single operator; ONNX Runtime makes
a Gemm of the pair again when it loads the file. Not where alpha or beta scale the terms.
"""

from onnxscript.rewriter import RewriteRule, RewriteRuleSet


def transposed(op, x, weight, bias):
    return op.Gemm(x, weight, bias, alpha=1.0, beta=1.0, transA=0, transB=1)


def matmul_transposed(op, x, weight, bias):
    return op.Add(op.MatMul(x, op.Transpose(weight, perm=[1, 0])), bias)


def plain(op, x, weight, bias):
    return op.Gemm(x, weight, bias, alpha=1.0, beta=1.0, transA=0, transB=0)


def matmul(op, x, weight, bias):
    return op.Add(op.MatMul(x, weight), bias)


rules = RewriteRuleSet([RewriteRule(transposed, matmul_transposed), RewriteRule(plain, matmul)])
