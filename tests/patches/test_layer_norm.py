import numpy as np
import pytest

RNG = np.random.default_rng(20250621)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model ({type}[batch, 5, 8] x, {type}[8] gain, {type}[8] bias) => ({type}[batch, 5, 8] y)
{{ y = LayerNormalization <axis = {axis}, epsilon = 0.01> (x, gain, bias) }}"""
WRITTEN_OUT = {"ReduceMean": 2, "Sub": 1, "Mul": 2, "Add": 2, "Sqrt": 1, "Div": 1}


def feeds(dtype="f"):
    shapes = {"x": (3, 5, 8), "gain": (8,), "bias": (8,)}
    return {name: RNG.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("axis", [-1, 2])
def test_norm_is_written_out_with_its_epsilon(patched, axis):
    text = TEXT.format(type="float", axis=axis)
    assert patched(text, "layer_norm", feeds(), rtol=1e-6) == WRITTEN_OUT


def test_half_precision_is_widened_inside(patched):
    text, given = TEXT.format(type="float16", axis=-1), feeds(np.float16)
    given["x"] *= np.float16(300)  # their squares are beyond half precision
    operators = patched(text, "layer_norm", given, rtol=2e-3)
    assert operators == {**WRITTEN_OUT, "Cast": 2}


def test_norm_over_more_axes_stays(patched):
    text = TEXT.format(type="float", axis=1).replace("float[8]", "float[5, 8]")
    given = feeds() | {name: RNG.normal(size=(5, 8)).astype("f") for name in ("gain", "bias")}
    assert patched(text, "layer_norm", given, fires=0) == {"LayerNormalization": 1}
