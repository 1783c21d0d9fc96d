"""Operator patches, one a file: a pattern, a check that says why it refuses, a rewrite.

A profile (params.yaml) names the patches it wants, in order. Around them stands what the
libraries do: constant folding, their rewrite rules, and the removal of what is left over.
"""

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as library

from stages.patches import (
    finite_mask,
    fold_batch_norm,
    gather_eot,
    gather_row,
    gemm_to_matmul,
    layer_norm,
    no_op_pool,
    pool_to_conv,
    slice_mask,
    slice_without_step,
    split_to_slice,
    static_reshape,
    transpose_weight,
)

MODULES = (
    finite_mask,
    fold_batch_norm,
    gather_eot,
    gather_row,
    gemm_to_matmul,
    layer_norm,
    no_op_pool,
    pool_to_conv,
    slice_mask,
    slice_without_step,
    split_to_slice,
    static_reshape,
    transpose_weight,
)
NAMED = {module.__name__.rpartition(".")[2]: module for module in MODULES}
PATCHES = {name: module.rules for name, module in NAMED.items()}

# Not among them: the fusion of BatchNormalization into Conv, after which weights stored in half
# precision are no longer half-precision numbers (it is the patch fold_batch_norm). ONNX Runtime
# does it when it loads the file.
LIBRARY_RULES = [
    *library._no_op.rules,
    *library._collapse_slices.rules,
    *library._basic_rules.basic_optimization_rules(),
    *library._remove_optional_bias.rules,
]


# Transposed weights are left to `transpose_weight`; tables cut to a fixed length are folded at any
# size. The library decides on the rest.
FOLDS = {"Transpose": False, "Slice": True}
# Parameters stay apart even where training left them equal: later stages know them by their names.
LARGEST_CONSTANT = 8


def summaries():
    """{name: what it does, in one line} of every patch."""
    return {name: module.__doc__.split("\n")[0] for name, module in NAMED.items()}


def clean(model):
    """Fold small constants, apply the library's rules, drop what is unused or double."""
    optimizer.fold_constants_ir(
        model, onnx_shape_inference=True, should_fold=lambda node: FOLDS.get(node.op_type)
    )
    rewriter.RewritePass(LIBRARY_RULES)(model)
    ir.passes.Sequential(
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(size_limit=LARGEST_CONSTANT),
        common.CommonSubexpressionEliminationPass(),
        common.NameFixPass(),
    )(model)


def apply(model, names):
    """Patch `model` in place with the named patches, cleaning after each."""
    for name in names:
        rewriter.RewritePass(PATCHES[name])(model)
        clean(model)
