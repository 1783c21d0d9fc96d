"""Operator sets 10 to 23: both architectures' towers, every adapter, and what is refused."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from clip_onnx import command, graphs
from clip_onnx.graphs import opset, schema
from clip_onnx.settings import encodings, sections
from stages.encode import schemes

RNG = np.random.default_rng(20250621)
VERSIONS = [12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23]


@pytest.fixture
def towers(tiny):
    """load(name): the std model of a tower."""
    return lambda name: graphs.load(tiny / "data/patch" / name / "std")


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    ir.external_data.load_to_model(model)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, feeds)


def feeds(name):
    if name.endswith("visual"):
        return {"pixel_values": RNG.normal(size=(2, 3, 64, 64)).astype("f")}
    return {"input_ids": np.array([[49406, 320, 2368, 49407], [49406, 7, 49407, 0]])}


@pytest.mark.parametrize("name", ["tiny-vit/visual", "tiny-vit/textual", "tiny-rn/visual"])
def test_every_version_computes_the_same(towers, name):
    given = feeds(name)
    (expected,) = run(towers(name), given)
    for version in VERSIONS:
        model = towers(name)
        opset.convert(model, version)
        assert model.graph.opset_imports == {"": version}
        (embeds,) = run(model, given)
        np.testing.assert_allclose(embeds, expected, atol=2e-6 * np.abs(expected).max())


def test_weights_decoded_by_standard_operators_work_at_12(towers):
    encoding = encodings.WeightOnly(scheme="weight_only", bits=8)
    given, embeds = feeds("visual"), []
    for version in (18, 12):
        model = towers("tiny-vit/visual")
        ir.external_data.load_to_model(model)
        model = schemes.weight_only.encode(model, encoding)
        opset.convert(model, version)
        assert {"Cast", "Mul"} <= {node.op_type for node in model.graph}
        embeds += run(model, given)
    np.testing.assert_allclose(*embeds, atol=2e-6 * np.abs(embeds[0]).max())


def test_bit_planes_are_refused_by_name(towers):
    model = towers("tiny-vit/visual")
    ir.external_data.load_to_model(model)
    model = schemes.weight_only.encode(model, encodings.WeightOnly(scheme="weight_only", bits=6))
    with pytest.raises(command.Refusal, match="BitwiseAnd needs opset 18, not 13") as refusal:
        opset.convert(model, 13)
    assert "\n" not in str(refusal.value)


X = {"x": RNG.normal(size=(2, 6, 4)).astype("f")}
CASES = {  # body with output y, its shape, the version, the operators and attributes that are left
    "reduction": ("y = ReduceMax <keepdims = 0> (x, axis)", "2, 6", 13, "ReduceMax axes keepdims"),
    "sum": ("y = ReduceSum (x, axis)", "2, 6, 1", 12, "ReduceSum axes keepdims"),
    "unsqueeze": ("y = Unsqueeze (x, axis)", "2, 6, 4, 1", 12, "Unsqueeze axes"),
    "uneven": ("y, z = Split <axis = 1, num_outputs = 2> (x)", "2, 3, 4", 13, "Split axis"),
    "sizes": ("y, z = Split <axis = 1, num_outputs = 2> (x)", "2, 3, 4", 12, "Split axis split"),
    "shape": ("y = Shape <start = -2, end = 3> (x)", "2", 14, "Shape Slice"),
    "softmax": ("y = Softmax (x)", "2, 6, 4", 10, "Softmax axis"),
    "allowzero": ("y = Reshape <allowzero = 0> (x, four)", "6, 8", 13, "Reshape"),
}


def text(body, shape, kind="float"):
    return ir.from_onnx_text(f"""<ir_version: 8, opset_import: ["" : 18]>
model (float[2, 6, 4] x) => ({kind}[{shape}] y)
<int64[1] axis = {{-1}}, int64[2] four = {{6, 8}}> {{ {body} }}""")


@pytest.mark.parametrize("case", CASES)
def test_older_form_of_each_operator(case):
    body, shape, version, left = CASES[case]
    model = text(body, shape, "int64" if case == "shape" else "float")
    expected = run(model, X)
    opset.convert(model, version)
    found = [word for node in model.graph for word in (node.op_type, *sorted(node.attributes))]
    assert found == left.split()
    np.testing.assert_array_equal(run(model, X)[0], expected[0])


def test_axes_are_counted_from_the_front_below_11():
    model = text("y = Concat <axis = -1> (x, x)", "2, 6, 8")
    expected = run(model, X)
    opset.convert(model, 10)
    assert model.graph[0].attributes["axis"].value == 2
    np.testing.assert_array_equal(run(model, X)[0], expected[0])


@pytest.mark.parametrize(
    ("body", "version", "says"),
    [
        ("y = Softmax <axis = 1> (x)", 12, "Softmax over another axis than the last needs"),
        ("y = Mish (x)", 17, "Mish needs opset 18, not 17"),
        (
            "z = Cast <to = 2> (x) w = Add (z, z) y = Cast <to = 1> (w)",
            13,
            "Add of uint8 needs opset 14",
        ),
        (
            "s = Shape (x) y = Reshape <allowzero = 1> (x, s)",
            13,
            "Reshape with allowzero needs opset 14",
        ),
    ],
)
def test_what_a_version_cannot_say_is_refused(body, version, says):
    model = text(body, "2, 6, 4")
    with pytest.raises(command.Refusal, match=says):
        opset.convert(model, version)


def test_versions_out_of_range_and_second_conversions_are_refused():
    with pytest.raises(command.Refusal, match="opset 9 is not from 10 to 23"):
        opset.convert(text("y = Relu (x)", "2, 6, 4"), 9)
    model = text("y = Relu (x)", "2, 6, 4")
    opset.convert(model, 12)
    with pytest.raises(command.Refusal, match="start from its form at 18"):
        opset.convert(model, 13)


def test_profiles_take_the_same_versions():
    with pytest.raises(ValueError, match="opset"):
        sections.Profile(patches=[], opset=opset.LEAST - 1)
    with pytest.raises(ValueError, match="opset"):
        sections.Profile(patches=[], opset=opset.MOST + 1)
    assert sections.Profile(patches=[], opset=opset.LEAST).opset == opset.LEAST
    assert sections.Profile(patches=[], opset=opset.MOST).opset == opset.MOST
    assert sections.Profile(patches=[]).opset == graphs.OPSET


def test_what_an_encoding_writes_is_checked_in_its_own_version():
    model = ir.from_onnx_text("""<ir_version: 7, opset_import: ["" : 12, "com.microsoft" : 1]>
m (uint8[4] x) => (uint8[4] y) { z = com.microsoft.Own (x)  y = BitwiseAnd (z, x) }""")
    with pytest.raises(command.Refusal, match="BitwiseAnd needs opset 18, not 12"):
        schema.check(model)
    model.graph.opset_imports[""] = 18
    schema.check(model)
