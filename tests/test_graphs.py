"""Files of ONNX: the least IR version that computes rightly, and what is no whole model."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from clip_onnx import command, graphs

LEAST = {10: 5, 12: 7, 17: 8, 18: 9, 19: 9, 21: 10, 23: 11}  # {opset: IR version}
TEXT = """<ir_version: {ir}, opset_import: ["" : {opset}]>
model (float[2] x) => (float[2] y)
<float[2] weight = {{1, 2}}>
{{ y = Add (x, weight) }}"""


@pytest.mark.parametrize("opset", LEAST)
@pytest.mark.parametrize("before", [3, 10])
def test_a_file_is_saved_with_the_least_ir_version(opset, before, tmp_path):
    graphs.save(ir.from_onnx_text(TEXT.format(ir=before, opset=opset)), tmp_path)
    assert onnx.load(tmp_path / graphs.FILE).ir_version == LEAST[opset]
    onnx.checker.check_model(tmp_path / graphs.FILE, full_check=True)


def test_onnxruntimes_own_operators_ask_for_a_version_that_computes_them_rightly():
    assert graphs.ir_version({"": 18, "com.microsoft": 1}) == 10
    assert graphs.ir_version({"": 23, "com.microsoft": 1}) == graphs.ir_version({"": 23})


def test_operators_of_other_domains_do_not_count():
    assert graphs.ir_version({"": 18, "elsewhere": 1}) == graphs.ir_version({"": 18})


@pytest.fixture
def saved(tmp_path):
    """A directory with a model whose weight lies outside."""
    model = ir.from_onnx_text(TEXT.format(ir=8, opset=18))
    weight = ir.tensor(np.arange(1000, dtype=np.float32), name="weight")
    model.graph.initializers["weight"].const_value = weight
    graphs.save(model, tmp_path, external=True)
    return tmp_path


def test_a_file_that_is_cut_off_anywhere_is_refused_in_a_line(saved):
    file = saved / graphs.FILE
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        try:
            model = graphs.load(saved)
        except command.Refusal as refusal:
            assert str(refusal).startswith(f"{file} is no whole ONNX model, build it again: ")
            assert "\n" not in str(refusal)
        else:
            pytest.fail(f"loaded from {length} of {len(whole)} bytes: {model}")


@pytest.mark.parametrize("content", [b"", b"\x08\x0a", b"<html>", b"\xff" * 100])
def test_what_is_no_model_is_refused(content, saved):
    (saved / graphs.FILE).write_bytes(content)
    with pytest.raises(command.Refusal, match=r"model\.onnx is no whole ONNX model"):
        graphs.load(saved)


def test_external_data_that_is_cut_off_is_refused(saved):
    data = saved / graphs.DATA_FILE
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(command.Refusal, match=r"model\.onnx\.data is cut off, weight lies behind"):
        graphs.load(saved)
    data.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.onnx\.data"):  # command.run says it
        graphs.load(saved)
