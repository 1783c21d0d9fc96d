import json

import numpy as np
import pytest

from stages import graph, parity, runtime, sensitivity
from stages.calibration import Calibration
from stages.schemes import equalise, rounding, weight_only

import small


@pytest.fixture
def table(built, monkeypatch):
    monkeypatch.chdir(built)
    return lambda *key: json.loads(small.sensitivity(*key).read_text())


@pytest.mark.parametrize("kind", ["vit", "rn"])
@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_every_weight_is_measured(built, table, kind, tower):
    model = graph.load(built / f"data/models/{kind}/{tower}/fp32")
    found = {weight.value.name: weight for weight in weight_only.weights(model)}
    rows = {row["name"]: row for row in table(kind, tower)["tensors"]}
    assert list(rows) == list(found)
    for name, row in rows.items():
        assert 0 < row["error"] < 1
        assert ("input_error" in row) == (found[name].consumer.op_type == "MatMul")


@pytest.mark.parametrize("key", ["vit/visual", "rn/visual", "vit/textual"])
def test_a_tower_is_cut_where_one_tensor_carries_everything(built, key):
    model = graph.load(built / f"data/models/{key}/fp32")
    found = list(weight_only.weights(model))
    parts = list(sensitivity.segments(model, found))
    assert parts[0][0] is None
    assert [weight for _, weights in parts for weight in weights] == found
    assert len(parts) >= 4
    assert all(weights for _, weights in parts)


def test_what_is_measured_is_what_replacing_the_weight_in_the_file_does(built, table, tmp_path):
    """The cut tower against the whole one, for a weight in its midst."""
    name = "transformer.resblocks.1.mlp.c_fc.weight.T"
    source, reference = built / "data/models/vit/visual/fp32", built / "data/reference/vit"
    batches = list(Calibration(built / "data/evalset", reference, "visual").batches())
    spread = np.linspace(0, len(batches) - 1, min(sensitivity.BATCHES, len(batches))).astype(int)
    batches = [batches[number] for number in spread]
    model = graph.load(source)
    found = list(weight_only.weights(model))
    equalise.apply(model, found)
    (weight,) = [weight for weight in found if weight.value.name == name]
    matrix = rounding.round_matrix(weight.matrix(), sensitivity.BITS, sensitivity.BLOCK).matrix()
    stored = np.ascontiguousarray(weight.arrange(matrix, None))
    weight.value.const_value = graph.ir.tensor(stored, name=name)
    graph.save(model, tmp_path)
    embeds = [runtime.run(runtime.session(path), batches) for path in (source, tmp_path)]
    (row,) = [row for row in table("vit", "visual")["tensors"] if row["name"] == name]
    assert row["error"] == pytest.approx(1 - parity.cosine(*embeds).mean(), rel=2e-2)
