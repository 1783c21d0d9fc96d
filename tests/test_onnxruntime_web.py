"""The small ViT's files in ONNX Runtime Web, where Chromium and it are installed."""

import pytest

from clip_onnx import command
from runtimes import browser, comparison, onnxruntime_web

pytestmark = pytest.mark.runtimes

missing = browser.missing("onnxruntime-web")
needs_browser = pytest.mark.skipif(missing is not None, reason=str(missing))
WASM = ("onnxruntime-web", "onnxruntime-web-threads")


@pytest.fixture(scope="module")
def window():
    with browser.chromium(*onnxruntime_web.SOFTWARE_ADAPTER) as opened:
        yield opened


@pytest.fixture(params=onnxruntime_web.SETTINGS)
def compare(request, window, bundled):
    """The metrics of one of the files, in each of the settings."""
    models, reference = bundled / "data/models", bundled / "data/reference/vit"
    with onnxruntime_web.runner(window, request.param, models) as run:
        yield lambda file: comparison.compare(models / "vit" / file, reference, 2, run)


@needs_browser
@pytest.mark.parametrize("file", ["visual/fp32", "visual/mixed", "textual/int8w", "visual/npu"])
def test_outputs_are_onnx_runtimes(compare, file):
    metrics = compare(file)
    assert metrics["inputs"] == 2
    assert metrics["runtime_cosine"] >= 0.99999


@needs_browser
@pytest.mark.parametrize("file", ["image/fp32", "classifier/fp32", "combined/fp32"])
@pytest.mark.parametrize("compare", WASM, indirect=True)
def test_products_are_openais(compare, file):
    assert compare(file)["cosine"] >= 0.99999


@needs_browser
@pytest.mark.parametrize("compare", ["onnxruntime-web-webgpu"], indirect=True)
def test_software_adapter_has_no_half_precision(compare):
    with pytest.raises(command.Refusal, match="^not available: .* half precision"):
        compare("visual/fp16")


def test_adapter_is_the_environments_choice(monkeypatch):
    monkeypatch.delenv("WEBGPU_ADAPTER", raising=False)
    assert onnxruntime_web.adapter() == onnxruntime_web.SOFTWARE_ADAPTER
    monkeypatch.setenv("WEBGPU_ADAPTER", "hardware")
    assert not {"--disable-gpu", "--use-webgpu-adapter=swiftshader"} & {*onnxruntime_web.adapter()}
    monkeypatch.setenv("WEBGPU_ADAPTER", "fast")
    with pytest.raises(command.Refusal, match="'fast': set it to software or hardware"):
        onnxruntime_web.adapter()


@needs_browser
def test_the_runtimes_own_words_are_the_reason(window, bundled, tmp_path):
    whole = (bundled / "data/models/vit/visual/fp32/model.onnx").read_bytes()
    other = whole.replace(b"LayerNormalization", b"LayerNormalisation")
    (tmp_path / "model.onnx").write_bytes(other)
    place = onnxruntime_web.runner(window, "onnxruntime-web", tmp_path)
    said = pytest.raises(command.Refusal, match=r"^[^\n]*LayerNormalisation[^\n]*$")
    with place as run, said:
        run(tmp_path / "model.onnx", {})


@needs_browser
def test_a_page_without_an_adapter_says_so(window, bundled):
    with window.new_context() as context:
        context.add_init_script("Object.defineProperty(navigator, 'gpu', {value: undefined})")
        place = onnxruntime_web.runner(context, "onnxruntime-web-webgpu", bundled)
        with pytest.raises(command.Refusal, match="no WebGPU adapter"), place:
            pass
