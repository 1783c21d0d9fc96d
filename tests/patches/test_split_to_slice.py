import numpy as np
import pytest

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 5, %s] x) => (float[batch, n, k] q, float[batch, n, k] k, float[batch, n, k] v)
{ q, k, v = Split <axis = %d, num_outputs = 3> (x) }"""
FEEDS = {"x": np.random.default_rng(20250621).normal(size=(2, 5, 12)).astype("f")}


@pytest.mark.parametrize("axis", [2, -1])
def test_three_parts_become_three_slices(patched, axis):
    assert patched(TEXT % ("12", axis), "split_to_slice", FEEDS) == {"Slice": 3}


@pytest.mark.parametrize(("size", "axis"), [("length", 2), ("12", 1)])
def test_unknown_and_uneven_parts_stay(patched, size, axis):
    assert patched(TEXT % (size, axis), "split_to_slice", FEEDS, fires=0) == {"Split": 1}
