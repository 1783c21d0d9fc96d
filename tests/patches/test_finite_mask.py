import numpy as np

RNG = np.random.default_rng(20250621)
MASK = np.triu(np.full((6, 6), -np.inf, "f"), 1)
ADDED = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 6, 6] x, float[batch, 6, 6] z) => (float[batch, 6, 6] y)
{ a = Add (x, mask)  b = Softmax (a)  c = Add (z, mask)  d = Softmax (c)  y = Add (b, d) }"""
CUT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, n, n] x, int64[2] end) => (float[batch, n, n] y)
<int64[2] start = {0, 0}, int64[2] axes = {0, 1}, int64[2] step = {1, 1}>
{ part = Slice (mask, start, end, axes, step)  a = Add (x, part)  y = Softmax (a) }"""


def scores(size):
    return (50 * RNG.normal(size=(2, size, size))).astype("f")


def test_softmax_is_the_same_to_the_last_bit(patched):
    given = {"x": scores(6), "z": scores(6)}
    operators = patched(ADDED, "finite_mask", given, {"mask": MASK}, fires=2)
    assert operators == {"Add": 3, "Softmax": 2}


def test_mask_that_is_cut_first(patched):
    given = {"x": scores(4), "end": np.array([4, 4])}
    operators = patched(CUT, "finite_mask", given, {"mask": MASK})
    assert operators == {"Slice": 1, "Add": 1, "Softmax": 1}


def test_finite_addend_stays(patched):
    given, bias = {"x": scores(6), "z": scores(6)}, np.triu(np.ones((6, 6), "f"))
    assert patched(ADDED, "finite_mask", given, {"mask": bias}, fires=0)["Add"] == 3
