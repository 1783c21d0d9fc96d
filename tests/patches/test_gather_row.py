import numpy as np

RNG = np.random.default_rng(20250621)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[%s, 5, 4] x, int64[%s] index) => (float[%s, 4] y)
<int64[1] last = {-1}>
{ row = Unsqueeze (index, last)  y = GatherND <batch_dims = 1> (x, row) }"""


def feeds(batch):
    return {"x": RNG.normal(size=(batch, 5, 4)).astype("f"), "index": np.array([3, 1, 4][:batch])}


def test_one_row_is_gathered_without_coordinates(patched):
    assert patched(TEXT % (1, 1, 1), "gather_row", feeds(1)) == {"Squeeze": 1, "Gather": 1}


def test_several_rows_stay(patched):
    for batch in (3, "batch"):
        text = TEXT % (batch, batch, batch)
        assert patched(text, "gather_row", feeds(3), fires=0)["GatherND"] == 1
