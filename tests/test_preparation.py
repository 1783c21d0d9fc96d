"""Checkpoints that want their pictures otherwise than OpenAI's."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_onnx import Clip, command, graphs, verify
from clip_onnx.host import pictures, preparation, preprocessor, sessions
from clip_onnx.host.preparation import OPENAI, Preparation
from clip_onnx.measure import inputs, parity
from clip_onnx.names import TOWERS
from clip_onnx.openai import pixels
from stages.compose.products import preprocess
from stages.download.preparation import beside

import small

SIDE = 64
HALVES = (0.5, 0.5, 0.5)
HALF = Preparation(HALVES, HALVES)
SQUARE = {"height": SIDE, "width": SIDE}
BOTH_EDGES = {"shortest_edge": SIDE, "longest_edge": SIDE}
OF_HALVES = {"image_mean": [*HALVES], "image_std": [*HALVES]}
KINDS = [
    Preparation(HALVES, HALVES, interpolation, resize)
    for interpolation in ("bicubic", "bilinear")
    for resize in ("shortest", "squash", "longest")
]
SQUASHED = [wanted for wanted in KINDS if wanted.resize == "squash"]  # bicubic, bilinear
LONGEST = KINDS[-1]


def read(folder, content, name="preprocessor_config.json"):
    """What `beside` makes of a file beside a checkpoint."""
    (folder / name).write_text(json.dumps(content), "utf-8")
    return beside(folder / "model.safetensors", SIDE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, OPENAI),
        (OF_HALVES, HALF),
        ({"image_mean": 0.5, "image_std": 0.5}, HALF),
        ({"image_mean": [0.48145467042922974, 0.4578275, 0.40821073]}, OPENAI),  # of fp32
        ({"do_normalize": False}, Preparation((0, 0, 0), (1, 1, 1))),
        ({"resample": 2}, replace(OPENAI, interpolation="bilinear")),
        ({"size": SIDE, "crop_size": SIDE}, OPENAI),
        ({"size": {"shortest_edge": SIDE}, "crop_size": SQUARE}, OPENAI),
        ({"size": SQUARE, "do_center_crop": False}, replace(OPENAI, resize="squash")),
        (OF_HALVES | {"size": SQUARE, "do_center_crop": False, "crop_size": 224}, SQUASHED[0]),
        (OF_HALVES | {"resample": 2, "size": BOTH_EDGES}, LONGEST),
        ({"size": SQUARE, "crop_size": SQUARE}, replace(OPENAI, resize="squash")),
        ({"size": None, "do_pad": False, "processor_class": "CLIPProcessor"}, OPENAI),
        (OF_HALVES | {"size": SQUARE, "do_center_crop": False, "resample": 2}, SQUASHED[1]),
    ],
)  # fmt: skip
def test_what_hugging_face_says_is_carried(tmp_path, content, expected):
    assert read(tmp_path, content) == expected
    assert read(tmp_path, {"image_processor": content}, "processor_config.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds [], no object"),
        ({"do_resize": False}, "do_resize is false, possible is true"),
        ({"do_rescale": False}, "do_rescale is false, possible is true"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is 0.00784"),
        ({"do_center_crop": False}, 'possible is true, or false with a size of {"height": 64'),
        ({"do_center_crop": 1}, "do_center_crop is 1, possible is true or false"),
        ({"do_pad": True}, "do_pad is true, possible is false"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order is true, possible is false"),
        ({"resample": 1}, "resample is 1, possible is 3 (bicubic) or 2 (bilinear)"),
        ({"resample": "lanczos"}, 'resample is "lanczos", possible is 3'),
        ({"size": 72}, "size is 72, possible is 64"),
        ({"size": {"shortest_edge": 72}}, 'size is {"shortest_edge": 72}, possible is 64'),
        ({"size": {"height": 64, "width": 72}}, "possible is 64"),
        ({"size": {"shortest_edge": 64, "longest_edge": 80}}, "possible is 64"),
        ({"size": {"shortest_edge": 72, "longest_edge": 72}}, "possible is 64"),
        ({"size": {"shortest_edge": True, "longest_edge": 1}}, "possible is 64"),
        ({"size": {"longest_edge": 64}}, "possible is 64"),
        (
            {"size": BOTH_EDGES, "do_center_crop": False},
            "do_center_crop is false, possible is true",
        ),
        ({"crop_size": 224}, "crop_size is 224, possible is 64"),
        ({"image_mean": [0.5, 0.5]}, "image_mean is [0.5, 0.5], possible is -10000 to 10000"),
        ({"image_std": [0, 1, 1]}, "image_std is [0, 1, 1], possible is 0.0001 to 10000"),
        ({"image_std": float("nan")}, "NaN is no number of JSON's"),
        ({"image_processor_type": "ViTImageProcessor"}, "possible is CLIPImageProcessor"),
    ],
)
def test_what_hugging_face_says_and_cannot_be_carried_is_refused(tmp_path, content, message):
    with pytest.raises(command.Refusal) as caught:
        read(tmp_path, content)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(tmp_path / "preprocessor_config.json") in str(caught.value)


OPEN_CLIP = "open_clip_config.json"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"size": SIDE, "mode": "RGB", "mean": HALVES, "std": HALVES}, HALF),
        ({"resize_mode": "squash", "fill_color": 0}, replace(OPENAI, resize="squash")),
        ({"interpolation": "bilinear"}, replace(OPENAI, interpolation="bilinear")),
        ({"interpolation": "random", "mean": None, "size": [SIDE, SIDE]}, OPENAI),
        ({"resize_mode": "longest", "fill_color": 0}, replace(OPENAI, resize="longest")),
        ({"resize_mode": "longest", "fill_color": 255}, "fill_color is 255, possible is 0"),
        ({"resize_mode": "other"}, 'resize_mode is "other", possible is shortest or squash or'),
        ({"mode": "L"}, 'preprocess_cfg.mode is "L", possible is RGB'),
        ({"size": 224}, "preprocess_cfg.size is 224, possible is 64"),
        ({"std": 0}, "preprocess_cfg.std is 0, possible is 0.0001"),
        (3, "open_clip_config.json is 3, no object"),
    ],
)  # fmt: skip
def test_what_open_clip_says_is_carried_or_refused(tmp_path, content, expected):
    if isinstance(expected, str):
        with pytest.raises(command.Refusal) as caught:
            read(tmp_path, {"preprocess_cfg": content}, OPEN_CLIP)
        assert expected in str(caught.value)
    else:
        assert read(tmp_path, {"preprocess_cfg": content}, OPEN_CLIP) == expected


def test_files_that_contradict_each_other_are_refused(tmp_path):
    assert read(tmp_path, {"preprocess_cfg": {"mean": HALVES, "std": HALVES}}, OPEN_CLIP) == HALF
    assert read(tmp_path, OF_HALVES) == HALF
    with pytest.raises(command.Refusal, match="ask for different pictures"):
        read(tmp_path, {})


def test_files_beside_what_a_link_leads_to_count(linked):
    folder, link = linked
    read(folder, OF_HALVES)
    assert beside(link, SIDE) == HALF
    assert read(link.parent, {"resample": 2}).interpolation == "bilinear"  # the link's go first


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 10**5])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    (tmp_path / "preprocessor_config.json").write_bytes(content)
    with pytest.raises(command.Refusal, match=r"preprocessor_config\.json is no JSON, mend or"):
        beside(tmp_path / "model.safetensors", SIDE)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / OPEN_CLIP).mkdir()
    with pytest.raises(command.Refusal, match="cannot be read"):
        beside(tmp_path, SIDE)


@pytest.mark.parametrize("wanted", [OPENAI, *KINDS])
def test_a_preparation_comes_back_from_every_place_it_is_kept(tmp_path, wanted):
    preparation.write(tmp_path, wanted)
    assert preparation.read(tmp_path) == wanted
    assert [file.name for file in tmp_path.iterdir()] == ["preparation.json"] * (wanted != OPENAI)
    assert preparation.described(preparation.description(SIDE, wanted)) == (SIDE, wanted)
    assert preprocessor.read(preprocessor.written(SIDE, wanted)) == (SIDE, wanted)


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
