"""BatchNormalization(Conv(x, W)) -> Conv(x, W', b), the library's rule.

For runtimes and compilers that do not fuse the two when they load a file. Not in `std`: folded
weights are no longer the half-precision numbers that the checkpoint has. Not where a convolution
shares its weights.
"""

from onnxscript.rewriter import RewriteRuleSet
from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule

rules = RewriteRuleSet([fuse_batchnorm_into_conv_rule])
