import numpy as np

RNG = np.random.default_rng(0)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, length, 8] x) => (%s y)
<int64[1] two = {2}, int64[1] four = {4}>
{
    b = Shape <start = 0, end = 1> (x)
    n = Shape <start = 1, end = 2> (x)
    shape = Concat <axis = 0> (%s)
    y = Reshape (x, shape)
}"""
FEEDS = {"x": RNG.normal(size=(3, 5, 8)).astype("f")}


def test_dimensions_that_stay_in_place_are_copied(patched):
    text = TEXT % ("float[batch, length, 2, 4]", "b, n, two, four")
    assert patched(text, "static_reshape", FEEDS) == {"Reshape": 1}


def test_dimension_that_moves_keeps_its_arithmetic(patched):
    text = TEXT % ("float[length, batch, 2, 4]", "n, b, two, four")
    assert patched(text, "static_reshape", FEEDS, fires=0)["Concat"] == 1


LITERAL = """<ir_version: 8, opset_import: ["" : 18]>
model (float[2, n] x) => (float[m, k] y)
<int64[2] shape = {%s}>
{ y = Reshape <allowzero = 1> (x, shape) }"""


def test_allowzero_goes_where_no_size_is_zero(patched):
    feeds = {"x": RNG.normal(size=(2, 6)).astype("f")}
    assert patched(LITERAL % "3, 4", "static_reshape", feeds) == {"Reshape": 1}


def test_allowzero_stays_where_a_size_is_zero(patched):
    feeds = {"x": np.zeros((2, 0), "f")}
    assert patched(LITERAL % "0, 4", "static_reshape", feeds, fires=0) == {"Reshape": 1}
