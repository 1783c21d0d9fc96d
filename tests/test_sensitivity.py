import json

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from clip_onnx import graphs
from clip_onnx.measure import parity
from clip_onnx.measure.calibration import Calibration
from clip_onnx.openai import passes
from stages.encode import equalise, rounding, weight_only
from stages.encode.sensitivity import Sensitivity
from stages.sensitivity import gradients

import small


@pytest.fixture
def table(built, monkeypatch):
    monkeypatch.chdir(built)
    return lambda kind, tower: json.loads(
        (small.sensitivity(kind) / f"{tower}.json").read_text("utf-8")
    )


@pytest.mark.parametrize("kind", ["vit", "rn"])
@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_every_weight_is_measured(built, table, kind, tower):
    model = graphs.load(built / f"data/models/{kind}/{tower}/fp32")
    found = {weight.value.name: weight for weight in weight_only.weights(model)}
    rows = {row["name"]: row for row in table(kind, tower)["tensors"]}
    assert list(rows) == list(found)
    for name, row in rows.items():
        assert 0 < row["error"] < 1
        assert ("input_error" in row) == (found[name].consumer.op_type == "MatMul")


@pytest.mark.parametrize(
    "key",
    ["vit/visual conv1.weight", "vit/visual proj", "rn/visual layer4.1.conv2.weight"]
    + ["rn/visual attnpool.v_proj.weight.T", "vit/textual token_embedding.weight"]
    + ["vit/textual transformer.resblocks.1.mlp.c_fc.weight.T"],
)
def test_what_is_measured_is_close_to_what_replacing_the_weight_does(built, table, key):
    """First order and a few directions against the changed tower itself, in float64."""
    (model, tower), name = key.split()[0].split("/"), key.split()[1]
    calibration = Calibration(built / f"data/calibration/{model}", tower)
    plain = graphs.load(built / f"data/models/{model}/{tower}/fp32")
    found = list(weight_only.weights(plain))
    equalise.apply(plain, found)
    batches = list(calibration.batches())
    before = passes.of_model(plain, calibration.sizes(), tower).embed(batches)
    (weight,) = [weight for weight in found if weight.value.name == name]
    matrix = rounding.round_matrix(weight.matrix(), gradients.BITS, gradients.BLOCK).matrix()
    stored = np.ascontiguousarray(weight.arrange(matrix, None))
    weight.value.const_value = graphs.ir.tensor(stored, name=name)
    after = passes.of_model(plain, calibration.sizes(), tower).embed(batches)
    (row,) = [row for row in table(model, tower)["tensors"] if row["name"] == name]
    assert row["error"] == pytest.approx(1 - parity.cosine(before, after).mean(), rel=0.35)


@pytest.mark.parametrize(("kind", "tower"), [("rn", "visual"), ("vit", "textual")])
def test_batches_taken_one_by_one_give_the_same_bytes(
    built, table, tmp_path, monkeypatch, kind, tower
):
    """As the largest models' are, whose steps' inputs do not fit together."""
    monkeypatch.setattr(gradients, "KEPT", 1)
    calibration = Calibration(built / f"data/calibration/{kind}", tower)
    std = graphs.load(built / f"data/patch/{kind}/{tower}/std")
    assert len([*gradients.groups(tower_of(std, calibration), gradients.inputs(calibration))]) > 4
    rows, readers = gradients.table(std, calibration, tmp_path)
    assert rows == table(kind, tower)["tensors"]
    assert [*tmp_path.iterdir()] == []
    known = Sensitivity(small.sensitivity(kind), tower)
    for name, moments in readers.items():
        for one, other in zip(moments, known.readers(name), strict=True):
            np.testing.assert_array_equal(one, other)


def tower_of(model, calibration):
    return passes.of_model(model, calibration.sizes(), calibration.tower)


def test_a_part_of_a_direction_along_the_embedding_means_nothing():
    embeds = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.float64)
    directions = gradients.across(embeds, torch.tensor([[3.0, 4.0], [5.0, 7.0]]).double())
    torch.testing.assert_close(directions, torch.tensor([[0.0, 0.0], [2.5, 0.0]]).double())


def test_inputs_are_rounded_as_the_operator_rounds_them():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(4, 6)).astype(np.float32)
    value = ir.Value(name="x", shape=ir.Shape(array.shape), type=ir.TensorType(ir.DataType.FLOAT))
    quantised = ir.node("DynamicQuantizeLinear", [value], num_outputs=3)
    restored = ir.node("DequantizeLinear", quantised.outputs)
    (output,) = restored.outputs
    output.type = value.type
    container = ir.Graph([value], [output], nodes=[quantised, restored], opset_imports={"": 18})
    for number, name in enumerate(("q", "s", "z")):
        quantised.outputs[number].name = name
    output.name, container.name = "y", "graph"
    file = ir.to_proto(ir.Model(container, ir_version=10)).SerializeToString()
    (expected,) = onnxruntime.InferenceSession(file).run(None, {"x": array})
    change = gradients.rounding_of(torch.from_numpy(array).double()).numpy()
    np.testing.assert_allclose(array + change, expected, atol=1e-6)


def test_rows_of_a_table_are_rounded_by_what_reads_them(built, monkeypatch):
    """What changes in a row, seen through the gradient at it, is less than by nearest integers."""
    monkeypatch.chdir(built)
    readers = Sensitivity(small.sensitivity("vit"), "textual").readers("token_embedding.weight")
    found = weight_only.weights(graphs.load(built / "data/models/vit/textual/fp32"))
    matrix = next(weight.matrix() for weight in found if weight.is_table)[:2000]
    means = readers.second(np.arange(matrix.shape[1]))  # of the products of two columns' gradients
    np.testing.assert_allclose(means, means.T)

    def seen(feedback=None):
        change = rounding.round_matrix(matrix, 4, 16, feedback).matrix() - matrix
        return np.einsum("ij,jk,ik->", change, means, change)

    assert 0 < seen(rounding.Feedback.of(readers)) < 0.7 * seen()
