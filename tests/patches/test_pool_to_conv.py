import numpy as np
import pytest

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 3, 8, 8] x) => (float[batch, 3, h, w] y)
{ y = AveragePool <%s> (x) }"""
FEEDS = {"x": np.random.default_rng(20250621).normal(size=(2, 3, 8, 8)).astype("f")}


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [2, 2], strides = [2, 2]",
        "kernel_shape = [4, 2], strides = [4, 1]",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1",
    ],
)
def test_pool_becomes_a_convolution(patched, attributes):
    assert patched(TEXT % attributes, "pool_to_conv", FEEDS, rtol=1e-6) == {"Conv": 1}


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 0",
        "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
        'kernel_shape = [3, 3], auto_pad = "SAME_UPPER"',
    ],
)
def test_pool_with_uneven_means_stays(patched, attributes):
    assert patched(TEXT % attributes, "pool_to_conv", FEEDS, fires=0) == {"AveragePool": 1}
