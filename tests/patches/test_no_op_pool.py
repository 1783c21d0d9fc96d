import numpy as np
import pytest

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 2, 6, 6] x) => (float[batch, 2, h, w] y)
{ p = AveragePool <%s> (x)  y = Relu (p) }"""
FEEDS = {"x": np.random.default_rng(0).normal(size=(2, 2, 6, 6)).astype("f")}


def test_pool_of_one_pixel_goes(patched):
    text = TEXT % "kernel_shape = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0]"
    assert patched(text, "no_op_pool", FEEDS) == {"Relu": 1}


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [2, 2], strides = [2, 2]",
        "kernel_shape = [1, 1], strides = [2, 2]",
    ],
)
def test_real_pool_stays(patched, attributes):
    expected = {"AveragePool": 1, "Relu": 1}
    assert patched(TEXT % attributes, "no_op_pool", FEEDS, fires=0) == expected
