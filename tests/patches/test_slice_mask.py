import numpy as np

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (int64[1] length) => (float[n, m] y)
<int64[1] start = {0}, int64[1] first = {0}, int64[1] second = {%d}, int64[1] step = {1}>
{
    rows = Slice (mask, start, length, first, step)
    y = Slice (rows, start, length, second, step)
}"""
MASK = {"mask": np.arange(49, dtype="f").reshape(7, 7)}
FEEDS = {"length": np.array([3])}


def test_cuts_on_two_axes_become_one(patched):
    assert patched(TEXT % 1, "slice_mask", FEEDS, MASK) == {"Concat": 1, "Slice": 1}


def test_two_cuts_on_one_axis_stay(patched):
    assert patched(TEXT % 0, "slice_mask", FEEDS, MASK, fires=0) == {"Slice": 2}
