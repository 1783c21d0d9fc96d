import collections

import onnx
import pytest

from stages import graph


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_dynamic_quantises_products_and_stores_the_rest_small(built, kind):
    for tower in ("visual", "textual"):
        folder = built / f"data/models/{kind}/{tower}"
        before = collections.Counter(
            n.op_type for n in onnx.load(folder / "fp32" / graph.FILE).graph.node
        )
        after = collections.Counter(
            n.op_type for n in onnx.load(folder / "int8-dynamic" / graph.FILE).graph.node
        )
        assert after["MatMulInteger"] >= 5
        # Attention's two products multiply activations: they stay.
        assert before["MatMul"] - after["MatMulInteger"] == after["MatMul"]
        assert after["ConvInteger"] == 0
        assert after["Conv"] == before["Conv"]
        small, large = (graph.size(folder / name) for name in ("int8-dynamic", "fp32"))
        assert small < 0.35 * large
