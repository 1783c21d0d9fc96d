import numpy as np

RNG = np.random.default_rng(20250621)
TEXT = """<ir_version: 8, opset_import: ["" : 18]>
model (float[batch, 2, 6, 6] x) => (float[batch, 3, 4, 4] y)
{ c = Conv <kernel_shape = [3, 3]> (x, w)  y = BatchNormalization (c, gain, bias, mean, var) %s }"""
FEEDS = {"x": RNG.normal(size=(2, 2, 6, 6)).astype("f")}


def weights():
    vectors = {name: RNG.normal(size=3).astype("f") for name in ("gain", "bias", "mean")}
    variance = RNG.uniform(0.5, 2, 3).astype("f")
    return {"w": RNG.normal(size=(3, 2, 3, 3)).astype("f"), "var": variance, **vectors}


def test_norm_goes_into_the_convolution(patched):
    assert patched(TEXT % "", "fold_batch_norm", FEEDS, weights(), rtol=1e-5) == {"Conv": 1}


def test_norm_of_a_shared_weight_stays(patched):
    text = (TEXT % "z = Conv <kernel_shape = [3, 3]> (x, w)").replace(
        "y)\n", "y, float[batch, 3, 4, 4] z)\n"
    )
    operators = patched(text, "fold_batch_norm", FEEDS, weights(), fires=0, rtol=1e-5)
    assert operators["BatchNormalization"] == 1
