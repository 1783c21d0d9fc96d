import numpy as np
import onnx
import onnx_ir as ir
import pytest

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from stages.compose import joining

FIRST = """<ir_version: 10, opset_import: ["" : 18]>
first (float[n,2] x) => (float[n,2] y, float[n,2] left)
<float[2] w = {1, 2}> { inner = Mul(x, w)  y = Add(inner, w)  left = Neg(inner) }"""
SECOND = """<ir_version: 10, opset_import: ["" : 18]>
second (float[batch,2] y, float[batch,2] more) => (float[batch,2] z)
<float[2] w = {10, 20}> { inner = Mul(y, w)  z = Add(inner, more) }"""
X, MORE = np.array([[1, 2], [3, 4]], np.float32), np.full((2, 2), 0.5, np.float32)


def model(text):
    parsed = onnx.parser.parse_model(text)
    onnx.checker.check_model(parsed, full_check=True)
    return ir.from_proto(parsed)


def session(joined, folder):
    graphs.save(joined, folder)
    onnx.checker.check_model(folder / graphs.FILE, full_check=True)
    return sessions.session(folder)


def names(values):
    return [value.name for value in values]


def test_join_feeds_the_outputs_of_one_to_the_other(tmp_path):
    joined = session(joining.join(model(FIRST), model(SECOND), {"y": "y"}), tmp_path)
    assert names(joined.get_inputs()) == ["x", "more"]
    assert names(joined.get_outputs()) == ["left", "z"]
    left, z = joined.run(None, {"x": X, "more": MORE})
    np.testing.assert_array_equal(left, -X * [1, 2])
    np.testing.assert_array_equal(z, (X * [1, 2] + [1, 2]) * [10, 20] + 0.5)


def test_join_puts_two_side_by_side(tmp_path):
    second = model(SECOND.replace("y,", "other,").replace("(y,", "(other,"))
    joined = session(joining.join(model(FIRST), second, {}), tmp_path)
    assert names(joined.get_outputs()) == ["y", "left", "z"]
    y, _, z = joined.run(None, {"x": X, "other": X, "more": MORE})
    np.testing.assert_array_equal(y, X * [1, 2] + [1, 2])
    np.testing.assert_array_equal(z, X * [10, 20] + 0.5)


def test_join_gives_the_first_ones_dimensions_to_the_second():
    joined = joining.join(model(FIRST.replace("n,2", "3,2")), model(SECOND), {"y": "y"})
    assert joined.graph.inputs[1].shape == (3, 2)
    assert joined.graph.outputs[1].shape == (3, 2)


def test_rename_dimensions_reaches_inner_values():
    renamed = model(SECOND)
    ir.passes.common.ShapeInferencePass()(renamed)
    joining.rename_dimensions(renamed, {"batch": "texts"})
    shapes = {str(value.shape) for node in renamed.graph for value in node.outputs}
    assert shapes == {"[texts,2]"}


def test_join_keeps_the_metadata_of_both_and_prefers_the_second_ones():
    first, second = model(FIRST), model(SECOND)
    first.metadata_props.update(graph="first", side="3")
    second.metadata_props.update(graph="second", variant="fp32")
    joined = joining.join(first, second, {"y": "y"})
    assert dict(joined.metadata_props) == {"graph": "second", "side": "3", "variant": "fp32"}


def test_join_copies_no_weights():
    first, second = model(FIRST), model(SECOND)
    before = {id(m.graph.initializers["w"].const_value) for m in (first, second)}
    joined = joining.join(first, second, {"y": "y"})
    assert {id(value.const_value) for value in joined.graph.initializers.values()} == before


@pytest.mark.parametrize(
    "second, connections, message",
    [
        (SECOND, {"nothing": "y"}, "nothing is not among: y, left"),
        (SECOND, {"y": "nothing"}, "nothing is not among: y, more"),
        (SECOND.replace("18", "17"), {"y": "y"}, "ai.onnx opset 18 and 17"),
        (SECOND.replace("batch,2] y", "batch,3] y"), {"y": "y"}, r"y is FLOAT\[n,2\], but y has"),
        (SECOND.replace("batch,2] y", "2] y"), {"y": "y"}, "connect what fits"),
        (SECOND.replace("float[batch,2] y", "double[batch,2] y"), {"y": "y"}, "DOUBLE"),
        (SECOND.replace("z", "left"), {"y": "y"}, "both graphs have left"),
        (SECOND.replace("more", "x"), {"y": "y"}, "both graphs have x"),
    ],
)
def test_join_refuses_what_does_not_fit(second, connections, message):
    parsed = ir.from_proto(onnx.parser.parse_model(second))
    with pytest.raises(command.Refusal, match=message) as refusal:
        joining.join(model(FIRST), parsed, connections)
    assert "\n" not in str(refusal.value)
