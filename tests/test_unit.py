import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stages import command, graph, runtime
from stages.products import unit

TWO_TOWERS = """<ir_version: 8, opset_import: ["" : {opset}]>
towers ({dtype}[n,3] a, float[n,3] b) => ({dtype}[n,3] image_embeds, float[n,3] text_embeds) {{
  image_embeds = Identity(a)  text_embeds = Neg(b) }}"""
ROWS = np.array([[3, 0, 4], [1e-3, 0, 0], [0, 0, 0]], np.float32)


def model(opset=18, dtype="float"):
    return ir.from_proto(onnx.parser.parse_model(TWO_TOWERS.format(opset=opset, dtype=dtype)))


def run(model, folder, rows=ROWS):
    graph.save(model, folder)
    onnx.checker.check_model(folder / graph.FILE, full_check=True)
    session = runtime.session(folder)
    assert [o.name for o in session.get_outputs()] == ["image_embeds", "text_embeds"]
    return session.run(None, {"a": rows, "b": ROWS})


@pytest.mark.parametrize("opset", [12, 13, 17, 18, 21])
def test_normalize_divides_one_output_by_its_length(tmp_path, opset):
    normalized = unit.normalize(model(opset), "image_embeds")
    assert normalized.metadata_props["normalized"] == "image_embeds"
    image, text = run(normalized, tmp_path)
    expected = np.array([[0.6, 0, 0.8], [1, 0, 0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(text, -ROWS)


def test_normalize_divides_each_output_it_is_called_for(tmp_path):
    both = unit.normalize(unit.normalize(model(), "text_embeds"), "image_embeds")
    assert both.metadata_props["normalized"] == "text_embeds image_embeds"
    image, text = run(both, tmp_path)
    np.testing.assert_array_equal(image, -text)


def test_normalize_squares_half_precision_in_fp32(tmp_path):
    rows = np.array([[300, 0, 400]], np.float16)  # 400 squared is beyond half precision
    image, _ = run(unit.normalize(model(dtype="float16"), "image_embeds"), tmp_path, rows)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, [[0.6, 0, 0.8]], rtol=0, atol=1e-7)


def test_normalize_refuses_an_output_that_is_not_there():
    with pytest.raises(command.Refusal, match="embeds is not among: image_embeds, text_embeds"):
        unit.normalize(model(), "embeds")
