"""The onnxjs profile's files in the real onnx.js, where it is installed."""

import pytest

from runtimes import comparison, onnxjs
from stages import command

import small

needs_onnxjs = pytest.mark.skipif(onnxjs.missing() is not None, reason=str(onnxjs.missing()))


@pytest.fixture(scope="module")
def files(tiny):
    """The folder of MODEL/TOWER/onnxjs."""
    small.write_params(tiny, small.tiny_params())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny)
        for model in small.TINY:
            for tower in ("visual", "textual"):
                small.patch(model, tower, "onnxjs")
    return tiny / "data/patch"


@needs_onnxjs
@pytest.mark.parametrize("tower", ["visual", "textual"])
@pytest.mark.parametrize("model", small.TINY)
def test_embeddings_are_openais_and_onnx_runtimes(files, tiny, model, tower):
    directory, reference = files / model / tower / "onnxjs", tiny / f"data/reference/{model}"
    metrics = comparison.compare(directory, reference, 3, onnxjs.run)
    assert metrics["inputs"] == 3
    assert metrics["cosine_min"] >= 0.99999
    assert metrics["runtime_cosine_min"] >= 0.99999


@needs_onnxjs
def test_what_onnxjs_says_of_a_file_it_cannot_load_is_one_line(tiny):
    directory = tiny / "data/patch/tiny-vit/visual/std"  # whose weights are in another file
    with pytest.raises(command.Refusal, match="onnx.js cannot run .*Error: array length"):
        comparison.compare(directory, tiny / "data/reference/tiny-vit", 1, onnxjs.run)


def test_missing_installation_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxjs, "HERE", tmp_path)
    with pytest.raises(command.Refusal, match="npm ci|install Node"):
        onnxjs.run(tmp_path / "model.onnx", {})
