import numpy as np

RNG = np.random.default_rng(0)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 4] x, float[3, 4] other) => (float[batch, 3] y)
{ t = Transpose <perm = [1, 0]> (%s)  y = MatMul (x, t) }"""


def feeds():
    return {"x": RNG.normal(size=(2, 4)).astype("f"), "other": RNG.normal(size=(3, 4)).astype("f")}


def test_stored_matrix_is_transposed_once_and_named_after_its_weight(patched):
    weights = {"w": RNG.normal(size=(3, 4)).astype("f")}
    assert patched(TEXT % "w", "transpose_weight", feeds(), weights) == {"MatMul": 1}


def test_computed_matrix_stays(patched):
    expected = {"MatMul": 1, "Transpose": 1}
    assert patched(TEXT % "other", "transpose_weight", feeds(), fires=0) == expected
