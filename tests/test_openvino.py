import pytest

from clip_onnx import command

openvino = pytest.importorskip("openvino", reason="not in .venv: run in .venv-runtimes")
from runtimes import comparison  # noqa: E402
from runtimes import openvino as runner  # noqa: E402

pytestmark = pytest.mark.runtimes


@pytest.mark.parametrize("encoding", ["int8w", "int4w"])
@pytest.mark.parametrize("graph", ["visual", "textual"])
def test_weight_only_files_keep_their_arithmetic(built, graph, encoding):
    """Without the hint activations are rounded to 8 bits, and a wrong decoding costs far more."""
    directory = built / f"data/models/vit/{graph}/{encoding}"
    metrics = comparison.compare(directory, built / "data/reference/vit", 3, runner.run)
    assert metrics["runtime_cosine"] >= 0.99999


def test_what_openvino_says_of_a_broken_file_is_one_line(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(command.Refusal) as refusal:
        runner.run(tmp_path / "model.onnx", {})
    assert "\n" not in str(refusal.value)
    assert "model.onnx" in str(refusal.value)


def test_cause_is_the_line_that_tells():
    message = (
        "Exception from src/core.cpp:1:\nCheck 'a' failed at b:2:\n  type is not supported\n\n"
    )
    assert runner.cause(RuntimeError(message)) == "type is not supported"
    assert runner.cause(RuntimeError("Exception from a:1:")) == "Exception from a:1:"
