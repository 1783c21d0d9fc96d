"""What runs patches, and after each: constant folding, rules of the libraries, cleaning."""

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as library

from stages.patch import patches

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
        rewriter.RewritePass(patches.NAMED[name].rules)(model)
        clean(model)
