import collections

import numpy as np
import onnx
import pytest

from clip_onnx import graphs
from clip_onnx.measure.calibration import Calibration
from clip_onnx.settings import encodings
from stages.encode.schemes import dynamic
from stages.encode.sensitivity import Sensitivity

import small


def operators(path):
    return collections.Counter(node.op_type for node in onnx.load(path / graphs.FILE).graph.node)


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
        small, large = (graphs.size(folder / name) for name in ("int8-dynamic", "fp32"))
        assert small < 0.35 * large


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_weights_of_products_leave_room_for_the_sum_of_two(built, kind):
    """255 * 64 twice is less than 2**15, so CPUs without VNNI do not saturate."""
    for tower in ("visual", "textual"):
        model = onnx.load(built / f"data/models/{kind}/{tower}/int8-dynamic" / graphs.FILE)
        arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
        for node in products:
            weight = arrays[node.input[1]].astype(int)
            assert np.abs(weight).max() in (63, 64)


def test_all_8_bits_may_be_used_where_every_cpu_has_vnni(built, monkeypatch):
    monkeypatch.chdir(built)
    meaning = Sensitivity(small.sensitivity("vit"), "visual")
    split = Calibration(built / "data/calibration/vit", "visual")
    model = graphs.load(built / "data/models/vit/visual/fp32")
    encoded = dynamic.encode(model, encodings.Dynamic(scheme="dynamic", bits=8), split, meaning)
    for node in encoded.graph:
        if node.op_type == "MatMulInteger":
            assert np.abs(node.inputs[1].const_value.numpy().astype(int)).max() in (127, 128)


def test_the_most_sensitive_products_may_be_excluded(built, monkeypatch):
    monkeypatch.chdir(built)
    meaning = Sensitivity(small.sensitivity("vit"), "visual")
    worst = max(meaning.rows, key=lambda row: row.get("input_error", 0))["name"]
    model = graphs.load(built / "data/models/vit/visual/fp32")
    split = Calibration(built / "data/calibration/vit", "visual")
    encoding = encodings.Dynamic(scheme="dynamic", exclude=2)
    encoded = dynamic.encode(model, encoding, split, meaning)
    before = operators(built / "data/models/vit/visual/int8-dynamic")["MatMulInteger"]
    after = sum(node.op_type == "MatMulInteger" for node in encoded.graph)
    assert before - after == 2
    assert any(name.startswith(f"{worst}.") for name in encoded.graph.initializers)
