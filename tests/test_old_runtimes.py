"""Old ONNX Runtimes: the program that wrote bench/old_runtimes.json."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from bench import old_runtimes
from clip_onnx import command


@pytest.mark.parametrize(
    "figures, oldest",
    [
        ({"1.15.1": 0.9968, "1.17.3": 0.9969, "1.31.1": 0.9968}, "1.15.1"),
        ({"1.15.1": 0.06, "1.17.3": 0.9968, "1.31.1": 0.9968}, "1.17.3"),
        ({"1.15.1": "refused", "1.17.3": 0.9968, "1.31.1": 0.9968}, "1.17.3"),
        ({"1.15.1": 0.9968, "1.17.3": "broken", "1.31.1": 0.9968}, "1.31.1"),
        ({"1.15.1": 1.0, "1.17.3": 1.0, "1.31.1": "broken"}, "none"),
    ],
)
def test_the_oldest_version_is_right_and_so_are_all_after_it(figures, oldest):
    assert old_runtimes.oldest({"file": "m.visual.fp32", "ir": 9, "opset": 18} | figures) == oldest


MODEL = """<ir_version: {ir}, opset_import: ["" : 18]>
m (float[1, 2] x) => (float[1, 2] y) {{ y = Add (x, x) }}"""
CASES = [({"x": np.array([[1, 2]], np.float32)}, {"y": np.array([[2, 4]])}, None)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(IR version of a file, version): what the installed ONNX Runtime makes of it."""
    monkeypatch.setattr(old_runtimes, "FOLDER", tmp_path)
    file = tmp_path / "m.onnx"

    def run(ir, version=onnxruntime.__version__):
        onnx.save(onnx.parser.parse_model(MODEL.format(ir=ir)), file)
        outputs = old_runtimes.run(version, "-", sys.executable, file, CASES)
        return outputs if isinstance(outputs, str) else old_runtimes.judged(outputs, file, CASES)

    return run


def test_a_file_is_run_optimised_and_not(run):
    assert run(ir=9) == 1


def test_a_file_of_an_ir_version_that_is_not_taken_is_refused(run):
    assert run(ir=99) == old_runtimes.REFUSED


def test_another_version_in_the_folder_is_no_measurement(run):
    with pytest.raises(
        command.Refusal, match=rf"has ONNX Runtime {onnxruntime.__version__}, not 1\."
    ):
        run(ir=9, version="1.15.1")


def test_a_python_without_packages_for_old_versions_is_refused():
    with pytest.raises(command.Refusal, match="python2.0 is no Python 3.10 or 3.11 with pip"):
        old_runtimes.interpreter("python2.0")


def test_one_version_is_tried_on_the_files_of_a_bundle(bundled, monkeypatch, capsys):
    monkeypatch.setattr(old_runtimes, "MODELS", ["vit"])
    monkeypatch.setattr(old_runtimes, "interpreter", lambda named: (sys.executable, "3.11"))
    monkeypatch.setattr(old_runtimes, "installed", lambda version, python, of: "-")
    monkeypatch.setattr(old_runtimes, "run", lambda *given: old_runtimes.REFUSED)
    bundles = str(bundled / "data/bundles")
    monkeypatch.setattr(sys, "argv", ["x", "--version", "1.14.1", "--bundles", bundles])
    old_runtimes.main()
    printed = capsys.readouterr().out
    assert "1.14.1" in printed and "vit.visual.int8w" in printed
