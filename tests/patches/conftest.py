"""Judging a patch: the same numbers before and after, with ONNX Runtime's own rewriting off."""

import collections

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from stages.patch import patches, rewriting


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = ir.to_proto(model).SerializeToString()
    return onnxruntime.InferenceSession(content, options).run(None, feeds)


@pytest.fixture
def patched():
    """patched(text, name, weights, feeds) -> Counter of operators once the patch has run.

    `text` is an ONNX text model; `weights` become its initializers. Fails unless the patch fired
    exactly `fires` times, the results are bit-equal, or within `rtol` where the patch has other
    arithmetic, and the model passes the checker.
    """

    def apply(text, name, feeds, weights=None, fires=1, rtol=0):
        model = ir.from_onnx_text(text)
        for key, array in (weights or {}).items():
            value = ir.Value(name=key, const_value=ir.tensor(array, name=key))
            value.shape, value.dtype = value.const_value.shape, value.const_value.dtype
            old = next((v for n in model.graph for v in n.inputs if v and v.name == key), None)
            old.const_value, old.shape, old.dtype = value.const_value, value.shape, value.dtype
            model.graph.register_initializer(old)
        before = run(model, feeds)
        count = patches.NAMED[name].rules.apply_to_model(model)
        assert count == fires
        rewriting.clean(model)
        proto = ir.to_proto(model)
        onnx.checker.check_model(proto, full_check=True)
        for old, new in zip(before, run(model, feeds), strict=True):
            np.testing.assert_allclose(new, old, rtol=rtol, atol=rtol)
        return dict(collections.Counter(node.op_type for node in model.graph))

    return apply
