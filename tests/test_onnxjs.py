"""The onnxjs profile's files in the real onnx.js, where it and Chromium are installed."""

import io

import numpy as np
import pytest
from PIL import Image

from clip_onnx import command
from clip_onnx.host import sessions
from clip_onnx.host.pictures import preprocess
from clip_onnx.measure import parity
from runtimes import browser, comparison, onnxjs

import small

pytestmark = pytest.mark.runtimes

missing = browser.missing("onnxjs")
needs_onnxjs = pytest.mark.skipif(missing is not None, reason=str(missing))


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


@pytest.fixture(scope="module")
def run(files):
    with browser.chromium() as window, onnxjs.runner(window, files) as run:
        yield run


@needs_onnxjs
@pytest.mark.parametrize("tower", ["visual", "textual"])
@pytest.mark.parametrize("model", small.TINY)
def test_embeddings_are_openais_and_onnx_runtimes(files, tiny, run, model, tower):
    directory, reference = files / model / tower / "onnxjs", tiny / f"data/reference/{model}"
    metrics = comparison.compare(directory, reference, 3, run)
    assert metrics["inputs"] == 3
    assert metrics["cosine"] >= 0.99999
    assert metrics["runtime_cosine"] >= 0.99999


@pytest.fixture
def picture():
    """Noise of the models' own size, with the grey levels at both ends."""
    levels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    levels[0, 0], levels[0, 1] = 0, 255
    return levels


def test_pictures_come_back_from_their_pixel_values(picture):
    file = onnxjs.png(preprocess(Image.fromarray(picture), 64))
    assert (np.asarray(Image.open(io.BytesIO(file.tobytes()))) == picture).all()


@needs_onnxjs
@pytest.mark.parametrize("model", small.TINY)
def test_a_decoded_picture_has_the_embedding_of_its_pixels(files, run, picture, model):
    directory = files / model / "visual/onnxjs"
    feeds = {"pixel_values": preprocess(Image.fromarray(picture), 64)[None]}
    embeds = run(directory / "model.onnx", feeds, as_files=True)
    own = comparison.native(sessions.session(directory), feeds)["image_embeds"]
    assert parity.cosine(own, embeds["image_embeds"]).min() >= 0.9999999


@needs_onnxjs
def test_what_onnxjs_says_of_a_file_it_cannot_load_is_one_line(files, run):
    feeds = {"pixel_values": np.zeros((1, 3, 64, 64), np.float32)}
    with pytest.raises(command.Refusal, match=r"^[^\n]*Error: [^\n]+$"):
        run(files / "tiny-vit/visual/std/model.onnx", feeds)  # its weights are in another file
