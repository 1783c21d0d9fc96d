"""Conversion to LiteRT, and the interpreter, where their environment is installed."""

import hashlib
import shutil

import networks
import numpy as np
import pytest

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.names import PROJECTION
from clip_onnx.openai import models
from runtimes import comparison, litert_convert, litert_programs

import small

pytestmark = pytest.mark.runtimes

REASON = litert_programs.missing()
needs_litert = pytest.mark.skipif(REASON is not None, reason=str(REASON))
TOWERS = [(model, tower) for model in small.TINY for tower in ("visual", "textual")]


@pytest.fixture(scope="module")
def files(tiny):
    """The folder of MODEL/TOWER/npu."""
    small.write_params(tiny, small.tiny_params())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny)
        for model, tower in TOWERS:
            small.patch(model, tower, "npu")
    return tiny / "data/patch"


def converted(directory, output):
    output.mkdir()
    litert_convert.convert(directory, output)
    return output / litert_programs.FILE


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_litert
@pytest.mark.parametrize(("model", "tower"), TOWERS)
def test_embeddings_are_openais(files, tiny, tmp_path, model, tower):
    directory = files / model / tower / "npu"
    file = converted(directory, tmp_path / "out")
    metrics = comparison.compare(
        directory,
        tiny / f"data/reference/{model}",
        3,
        lambda _, feeds: litert_programs.run(file, feeds),
    )
    assert metrics["inputs"] == 3
    assert metrics["cosine"] >= 0.99999
    assert metrics["runtime_cosine"] >= 0.99999


class Interpreted:
    """A LiteRT file in the place of ONNX Runtime's session of what it was made of."""

    def __init__(self, session, file):
        self.get_inputs, self.get_modelmeta = session.get_inputs, session.get_modelmeta
        self.file = file
        (self.output,) = session.get_outputs()

    def run(self, _, feeds):
        return [litert_programs.run(self.file, feeds)[self.output.name]]


@needs_litert
@pytest.mark.parametrize("family", networks.SAVE)  # by erf; by tanh in one tower
def test_gelu_is_what_the_package_computes(tmp_path, family):
    networks.SAVE[family](networks.CONFIG[family], tmp_path / "saved")
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    small.run_stage("export", checkpoint, tmp_path / "export")
    for tower, given in networks.inputs().items():
        source, batch = tmp_path / "npu" / tower, given[:1]
        small.run_stage("patch", "npu", f"--{tower}", tmp_path / "export" / tower, source)
        session = Interpreted(sessions.session(source), converted(source, tmp_path / tower))
        embeds = sessions.run(session, [batch.numpy()], sessions.projection(source))
        expected = models.embed(checkpoint, tower, [batch]).numpy()
        assert parity.cosine(expected, embeds).min() > 0.999999


@needs_litert
def test_conversion_repeats_itself_and_leaves_its_source_alone(files, tmp_path):
    directory = files / "tiny-rn/visual/npu"
    before = digest(directory / graphs.FILE)
    first, second = (converted(directory, tmp_path / name) for name in "ab")
    assert digest(first) == digest(second)
    assert digest(directory / graphs.FILE) == before
    assert [path.name for path in (tmp_path / "a").iterdir()] == [litert_programs.FILE]


@needs_litert
def test_projection_travels_with_the_file(files, tmp_path):
    directory = shutil.copytree(files / "tiny-vit/textual/npu", tmp_path / "source")
    np.save(directory / PROJECTION, np.eye(2, dtype=np.float32))
    converted(directory, tmp_path / "out")
    assert (np.load(tmp_path / "out" / PROJECTION) == np.eye(2)).all()


def test_dynamic_shapes_are_refused_before_conversion(files, tmp_path):
    with pytest.raises(command.Refusal, match="input_ids is tensor.int64.*as profile npu has them"):
        converted(files / "tiny-vit/textual/std", tmp_path / "out")


@needs_litert
def test_what_the_interpreter_says_is_one_line(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(command.Refusal, match="Model provided has model identifier"):
        litert_programs.run(tmp_path / "model.tflite", {"x": np.zeros((1, 1), np.float32)})


def test_missing_installation_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(litert_programs, "CONVERTER", tmp_path / "onnx2tf")
    with pytest.raises(command.Refusal, match="make .venv-litert/installed"):
        litert_programs.run(tmp_path / "model.tflite", {})
