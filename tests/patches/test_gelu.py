import numpy as np

TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 4001] x) => (float[batch, 4001] y)
<float root = {%f}, float one = {1}, float half = {0.5}>
{ part = Div (x, root)  both = Erf (part)  more = Add (both, one)  twice = Mul (x, more)
y = Mul (twice, half) }"""
EVERYWHERE = np.linspace(-20, 20, 4001)[None]


def test_gelu_of_any_number_is_within_float32s_noise(patched):
    given = {"x": EVERYWHERE.astype("f")}
    operators = patched(TEXT % 2**0.5, "gelu", given, rtol=5e-7)
    assert not {"Erf", "Pow", "Sign", "Where"} & operators.keys()
    assert operators["Exp"] == operators["Abs"] == operators["Div"] == 1


def test_another_function_stays(patched):
    given = {"x": EVERYWHERE.astype("f")}
    operators = patched(TEXT % 1.5, "gelu", given, fires=0)
    assert operators["Erf"] == 1
