import collections

import onnx
import pytest

from stages import graph


def operators(path):
    return collections.Counter(node.op_type for node in onnx.load(path / graph.FILE).graph.node)


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_dynamic_quantises_products_and_stores_the_rest_small(built, kind):
    for tower in ("visual", "textual"):
        folder = built / f"data/models/{kind}/{tower}"
        before, after = operators(folder / "fp32"), operators(folder / "int8-dynamic")
        assert after["MatMulInteger"] >= 4
        # Attention's two products multiply activations: they stay.
        assert before["MatMul"] - after["MatMulInteger"] == after["MatMul"]
        assert after["ConvInteger"] == 0
        assert after["Conv"] == before["Conv"]
        small, large = (graph.size(folder / name) for name in ("int8-dynamic", "fp32"))
        assert small < 0.35 * large
