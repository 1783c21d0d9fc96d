import numpy as np
import onnx_ir as ir

from stages.patch import rewriting

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 6] x) => (float[batch, n] y)
<int64[1] start = {1}, int64[1] end = {5}, int64[1] axis = {1}, int64[1] step = {%d}>
{ y = Slice (x, start, end, axis, step) }"""
FEEDS = {"x": np.arange(12, dtype="f").reshape(2, 6)}


def test_step_of_one_is_left_out(patched):
    assert patched(TEXT % 1, "slice_without_step", FEEDS) == {"Slice": 1}
    model = ir.from_onnx_text(TEXT % 1)
    rewriting.apply(model, ["slice_without_step"])
    assert len(model.graph[0].inputs) == 4


def test_other_steps_stay(patched):
    assert patched(TEXT % 2, "slice_without_step", FEEDS, fires=0) == {"Slice": 1}
