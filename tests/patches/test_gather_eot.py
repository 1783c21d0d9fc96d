import numpy as np

RNG = np.random.default_rng(0)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, length, 4] x, int64[batch] index) => (float[batch, 4] y)
<int64 zero = {0}, int64 one = {%d}, int64[1] last = {-1}, int64[1] nought = {0}>
{
    size = Shape <start = 0, end = 1> (x)
    count = Squeeze (size, nought)
    rows = Range (zero, count, one)
    row = Unsqueeze (rows, last)
    column = Unsqueeze (index, last)
    both = Concat <axis = -1> (row, column)
    y = GatherND <batch_dims = 0> (x, both)
}"""


def test_coordinates_become_one_index_a_row(patched):
    feeds = {"x": RNG.normal(size=(3, 5, 4)).astype("f"), "index": np.array([4, 0, 2])}
    assert patched(TEXT % 1, "gather_eot", feeds) == {"Reshape": 1, "GatherND": 1}


def test_other_steps_stay(patched):
    feeds = {"x": RNG.normal(size=(1, 5, 4)).astype("f"), "index": np.array([3])}
    assert patched(TEXT % 2, "gather_eot", feeds, fires=0)["Range"] == 1


TABLE = """<ir_version: 8, opset_import: ["" : 18]>
model (float[3, 5, 4] x, int64[3] index) => (float[3, 4] y)
<int64[3, 1] row = {0, %d, 2}, int64[1] last = {-1}>
{
    column = Unsqueeze (index, last)
    both = Concat <axis = -1> (row, column)
    y = GatherND <batch_dims = 0> (x, both)
}"""


def test_stored_rows_of_a_fixed_batch_become_one_index_a_row(patched):
    feeds = {"x": RNG.normal(size=(3, 5, 4)).astype("f"), "index": np.array([4, 0, 2])}
    assert patched(TABLE % 1, "gather_eot", feeds) == {"Unsqueeze": 1, "GatherND": 1}


def test_stored_rows_in_another_order_stay(patched):
    feeds = {"x": RNG.normal(size=(3, 5, 4)).astype("f"), "index": np.array([4, 0, 2])}
    assert patched(TABLE % 2, "gather_eot", feeds, fires=0)["Concat"] == 1
