import numpy as np
import pytest

RNG = np.random.default_rng(0)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 4] x) => (float[batch, 3] y) {{ y = Gemm <{attributes}> (x, w, b) }}"""


def arrays(shape):
    # Whole numbers: a product and a fused product then round alike.
    integers = RNG.integers(-9, 9, shape), RNG.integers(-9, 9, 3)
    return {name: array.astype("f") for name, array in zip("wb", integers, strict=True)}


FEEDS = {"x": RNG.integers(-9, 9, (2, 4)).astype("f")}


@pytest.mark.parametrize(
    ("attributes", "shape", "operators"),
    [
        ("transB = 1", (3, 4), {"Transpose": 1, "MatMul": 1, "Add": 1}),
        ("transB = 0", (4, 3), {"MatMul": 1, "Add": 1}),
    ],
)
def test_gemm_becomes_product_and_sum(patched, attributes, shape, operators):
    text = TEXT.format(attributes=f"alpha = 1.0, beta = 1.0, transA = 0, {attributes}")
    assert patched(text, "gemm_to_matmul", FEEDS, arrays(shape)) == operators


def test_scaled_gemm_stays(patched):
    text = TEXT.format(attributes="alpha = 2.0, beta = 1.0, transA = 0, transB = 0")
    assert patched(text, "gemm_to_matmul", FEEDS, arrays((4, 3)), fires=0) == {"Gemm": 1}
