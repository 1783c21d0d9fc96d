"""Pictures that are prepared otherwise than OpenAI's: by the host, in graphs, the whole way."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from preparations import KINDS, LONGEST, SIDE, SQUASHED

from clip_onnx import Clip, graphs, verify
from clip_onnx.host import pictures, preparation, preprocessor, sessions
from clip_onnx.host.preparation import OPENAI
from clip_onnx.measure import inputs, parity
from clip_onnx.names import TOWERS
from clip_onnx.openai import pixels
from stages.compose.products import preprocess

import small


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """{Preparation: session of its graph}."""

    def session(wanted):
        folder = tmp_path_factory.mktemp("preprocess")
        graphs.save(preprocess.build(SIDE, wanted=wanted), folder)
        return sessions.session(folder)

    return {wanted: session(wanted) for wanted in KINDS}


def picture(width, height):
    levels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


@settings(max_examples=60)
@given(width=st.integers(1, 700), height=st.integers(1, 700), wanted=st.sampled_from(KINDS))
@example(SIDE, SIDE, SQUASHED[0])
@example(SIDE, 500, SQUASHED[0])
@example(400, 199, SQUASHED[1])
@example(1, 60, SQUASHED[1])
@example(1, 60, LONGEST)
@example(128, 3, LONGEST)  # 1.5 rows
@example(500, SIDE, LONGEST)
@example(SIDE, SIDE - 1, LONGEST)
def test_host_and_graph_equal_torchvision(opened, width, height, wanted):
    """open_clip's transform is torchvision's: its resize, crop, RGB, ToTensor and Normalize."""
    assume(max(width, height) <= 60 * min(width, height))
    given = picture(width, height)
    expected = pixels.transform(SIDE, wanted)(given).numpy()
    np.testing.assert_array_equal(pictures.preprocess(given, SIDE, wanted), expected)
    (found,) = opened[wanted].run(None, {"image": np.asarray(given)})
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("size", [(300, 200), (201, 300), (64, 64), (20, 31), (80, 50)])
@pytest.mark.parametrize("wanted", [OPENAI, *KINDS])
def test_pictures_are_hugging_faces_but_for_half_a_pixel(tmp_path, wanted, size):
    """Its processor on Pillow, of a bundle's file: it rounds half a pixel of the margin down, and
    one of what fills a picture up to the other side."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    content = preprocessor.written(SIDE, wanted)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(content), "utf-8")
    given = picture(*size)
    theirs = CLIPImageProcessorPil.from_pretrained(tmp_path)(given)["pixel_values"][0]
    margin = int(SIDE * max(size) / min(size)) - SIDE
    filled = SIDE - round(SIDE * min(size) / max(size))
    if {"shortest": margin % 4 == 3, "squash": False, "longest": filled % 2}[wanted.resize]:
        assert np.abs(pictures.preprocess(given, SIDE, wanted) - theirs).max() > 0.1
    else:
        ours = pictures.preprocess(given, SIDE, wanted)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.fixture
def project(tmp_path, archives, monkeypatch):
    """A folder, the current one, with the two-layer ViT in `given` and few inputs."""
    (tmp_path / "given").mkdir()
    shutil.copyfile(archives["vit"], tmp_path / "given/vit.pt")
    params = small.params({"vit": tmp_path / "given/vit.pt"})
    params["evalset"]["images"] = "photographs"
    params["grid"] |= {"products": ["image"], "composed": ["fp32"]}
    params["grid"]["encodings"] = {"plain": ["fp32"], "by_sensitivity": [], "resnets": []}
    params["models"]["vit"]["inputs"] = {"captions": 2, "calibration_captions": 2}
    small.set_up(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").mkdir()
    for number in range(4):
        picture(90 + 20 * number, 100).save(tmp_path / f"photographs/{number}.png")
    return tmp_path


def build():
    """Every stage that a picture's preparation passes through, in the current folder: metrics."""
    checkpoint, reference, evalset = "data/checkpoints/vit", "data/reference/vit", "data/evalset"
    models, evaluated = "data/models/vit", ("visual", "image", "preprocess")
    small.run_stage("evalset", "photographs", small.EVALSET[1], evalset)
    small.run_stage("download", "vit", "data/downloads", checkpoint)
    small.run_stage("reference", "vit", checkpoint, evalset, reference)
    small.run_stage("calibrate", "vit", checkpoint, evalset, "data/calibration/vit")
    small.run_stage("export", checkpoint, "data/export/vit")
    for tower in TOWERS:
        small.patch("vit", tower, "std")
        small.encode("vit", tower, "fp32", f"{models}/{tower}/fp32")
    given = (f"--visual={models}/visual/fp32", checkpoint)
    small.run_stage("compose", "image", *given, f"{models}/image/fp32")
    small.run_stage("compose", "preprocess", checkpoint, f"{models}/preprocess/fp32")
    files = [("--file", f"{models}/{name}/fp32", f"{name}.json") for name in evaluated]
    small.run_stage(
        "evaluate", reference, checkpoint, "--evalset", evalset, *itertools.chain(*files)
    )
    small.run_stage("bundle", models, reference, checkpoint, evalset, "data/bundles/vit")
    return {
        name: json.loads(Path(f"{name}.json").read_text("utf-8"))["metrics"] for name in evaluated
    }


def test_a_preparation_goes_the_whole_way_and_is_measured_with_itself(project, capsys):
    wanted, reference, bundle = LONGEST, project / "data/reference/vit", Path("data/bundles/vit")
    beside_it = project / "given/preprocessor_config.json"
    beside_it.write_text(json.dumps(preprocessor.written(SIDE, wanted)), "utf-8")
    metrics = build()
    assert all(one["cosine_min"] > 0.999999 for one in metrics.values())
    assert metrics["preprocess"]["pixels_off"] == 0
    levels = inputs.picture(project / "data/evalset", inputs.index(reference)[0]["name"])
    expected = pictures.preprocess(Image.fromarray(levels), SIDE, wanted)
    np.testing.assert_array_equal(inputs.pixels(reference, [0])[0], expected)
    assert preprocessor.read(json.loads((bundle / preprocessor.FILE).read_text("utf-8"))) == (
        SIDE,
        wanted,
    )
    for name in ("vision_model", "image", "preprocess"):
        model = onnxruntime.InferenceSession(bundle / f"onnx/{name}.onnx").get_modelmeta()
        stated = json.loads(model.custom_metadata_map["preprocessing"])
        assert preparation.described(stated) == (SIDE, wanted)
    with inputs.reference(reference) as tensors:
        truth = tensors.get_tensor("image_embeds")[:1]
    (image,) = sessions.session(bundle / "onnx/image.onnx").run(None, {"image": levels})
    for found in (Clip(bundle).encode_image(levels), image):
        assert parity.cosine(truth, found).min() > 0.999999
    verify.report(bundle)
    assert "image.onnx" in capsys.readouterr().out

    # Without the file the same weights see OpenAI's pictures, and another embedding comes out.
    beside_it.unlink()
    small.run_stage("download", "vit", "data/downloads", "data/checkpoints/plain")
    assert preparation.read("data/checkpoints/plain") == OPENAI
    plain = pictures.preprocess(Image.fromarray(levels), SIDE)[None]
    tower = sessions.session(bundle / "onnx/vision_model.onnx")
    assert parity.cosine(truth, sessions.run(tower, [plain])).min() < 0.995
