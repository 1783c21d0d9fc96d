"""Operator patches, one a file: a pattern, a check that says why it refuses, a rewrite.

A profile (params.yaml) names the patches it wants, in order. Around them stands what the
libraries do: constant folding, their rewrite rules, and the removal of what is left over.
"""

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as library

from stages.patches import (
    gather_eot,
    gemm_to_matmul,
    no_op_pool,
    slice_mask,
    static_reshape,
    transpose_weight,
)

PATCHES = {
    "gather_eot": gather_eot.rules,
    "gemm_to_matmul": gemm_to_matmul.rules,
    "no_op_pool": no_op_pool.rules,
    "slice_mask": slice_mask.rules,
    "static_reshape": static_reshape.rules,
    "transpose_weight": transpose_weight.rules,
}

# Not among them: the fusion of BatchNormalization into Conv, after which weights stored in half
# precision are no longer half-precision numbers. ONNX Runtime does it when it loads the file.
LIBRARY_RULES = [
    *library._no_op.rules,
    *library._collapse_slices.rules,
    *library._basic_rules.basic_optimization_rules(),
    *library._remove_optional_bias.rules,
]


def _folds(node):
    """Leave transposed weights to `transpose_weight`; the library decides on the rest."""
    return False if node.op_type == "Transpose" else None


def clean(model):
    """Fold small constants, apply the library's rules, drop what is unused or double."""
    optimizer.fold_constants_ir(model, onnx_shape_inference=True, should_fold=_folds)
    rewriter.RewritePass(LIBRARY_RULES)(model)
    ir.passes.Sequential(
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.NameFixPass(),
    )(model)


def apply(model, names):
    """Patch `model` in place with the named patches, cleaning after each."""
    for name in names:
        rewriter.RewritePass(PATCHES[name])(model)
        clean(model)
