import numpy as np
import onnx
import onnx_ir as ir
import pytest

from clip_onnx import command, graphs
from clip_onnx.graphs import unit_length
from clip_onnx.host import sessions

TWO_TOWERS = """<ir_version: 8, opset_import: ["" : {opset}]>
towers (float[n,3] a, float[n,3] b) => (float[n,3] image_embeds, float[n,3] text_embeds) {{
  image_embeds = Identity(a)  text_embeds = Neg(b) }}"""
ROWS = np.array([[3, 0, 4], [1e-3, 0, 0], [0, 0, 0]], np.float32)


def model(opset=18):
    return ir.from_proto(onnx.parser.parse_model(TWO_TOWERS.format(opset=opset)))


def run(model, folder):
    graphs.save(model, folder)
    onnx.checker.check_model(folder / graphs.FILE, full_check=True)
    session = sessions.session(folder)
    assert [o.name for o in session.get_outputs()] == ["image_embeds", "text_embeds"]
    return session.run(None, {"a": ROWS, "b": ROWS})


@pytest.mark.parametrize("opset", [12, 13, 17, 18, 21])
def test_normalize_divides_one_output_by_its_length(tmp_path, opset):
    normalized = model(opset)
    unit_length.normalize(normalized, "image_embeds")
    assert normalized.metadata_props["normalized"] == "image_embeds"
    image, text = run(normalized, tmp_path)
    expected = np.array([[0.6, 0, 0.8], [1, 0, 0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(text, -ROWS)


def test_normalize_divides_each_output_it_is_called_for(tmp_path):
    both = model()
    unit_length.normalize(both, "text_embeds")
    unit_length.normalize(both, "image_embeds")
    assert both.metadata_props["normalized"] == "text_embeds image_embeds"
    image, text = run(both, tmp_path)
    np.testing.assert_array_equal(image, -text)


def test_normalize_refuses_an_output_that_is_not_there():
    with pytest.raises(command.Refusal, match="embeds is no output .*: image_embeds, text_embeds"):
        unit_length.normalize(model(), "embeds")
