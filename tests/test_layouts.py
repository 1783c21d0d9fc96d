"""Other clients' folders, read as the clients' own code reads them."""

import json
import re
import shutil

import numpy as np
import onnxruntime
import pytest
import yaml
from PIL import Image
from tokenizers import Tokenizer

from clip_onnx import Clip, absent, command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import preparation
from clip_onnx.measure import parity
from clip_onnx.settings import params
from stages.bundle import layouts
from stages.bundle.layouts import immich, triton

import small

TEXTS = ["a large red circle", "two words", "x " * 90]


@pytest.fixture(scope="module")
def clip(bundled):
    return Clip(bundled / "data/bundles/vit", encoding="int8w")


def parts(bundled, **changes):
    checkpoint = bundled / "data/checkpoints/vit"
    sizes, prepared = architecture.of(checkpoint), preparation.read(checkpoint)
    made = layouts.Parts("vit", bundled / "data/models/vit", checkpoint, sizes, prepared, "int8w")
    return made._replace(**changes)


@pytest.fixture(scope="module")
def for_immich(bundled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts") / "immich"
    immich.write(parts(bundled), folder)
    return folder


@pytest.fixture(scope="module")
def for_triton(bundled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts") / "triton"
    triton.write(parts(bundled), folder)
    return folder


def load(path):
    return json.loads(path.read_text("utf-8"))


def test_immichs_texts_are_the_bundles(for_immich, clip):
    length = load(for_immich / "config.json")["text_cfg"]["context_length"]
    padding = load(for_immich / "textual/tokenizer_config.json")["pad_token"]
    tokenizer = Tokenizer.from_file(str(for_immich / "textual/tokenizer.json"))
    number = tokenizer.token_to_id(padding)
    tokenizer.enable_padding(length=length, pad_token=padding, pad_id=number)
    tokenizer.enable_truncation(max_length=length)
    session = onnxruntime.InferenceSession(for_immich / "textual/model.onnx")
    expected = clip.encode_text(TEXTS, truncate=True)
    for text, row in zip(TEXTS, expected, strict=True):
        ids = np.array([tokenizer.encode(text).ids], np.int32)
        assert ids.shape == (1, 77)
        (found,) = session.run(None, {"text": ids})[0]
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
        assert parity.cosine(row[None], found[None])[0] > 0.999999


@pytest.mark.parametrize("size", [(64, 64), (100, 64), (64, 90), (300, 200)])
def test_immichs_pictures_are_the_bundles(for_immich, clip, size):
    """By its resize and crop, which are OpenAI's where the margins are even."""
    asked = load(for_immich / "visual/preprocess_cfg.json")
    assert (asked["interpolation"], asked["resize_mode"]) == ("bicubic", "shortest")
    side = asked["size"][0]
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8))
    width, height = (int(length / min(size) * side) for length in size)
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (int(length / 2 - side / 2) for length in (width, height))
    levels = np.asarray(resized.crop((left, top, left + side, top + side)), np.float32) / 255
    pixels = (levels - np.float32(asked["mean"])) / np.float32(asked["std"])
    session = onnxruntime.InferenceSession(for_immich / "visual/model.onnx")
    (found,) = session.run(None, {"image": pixels.transpose(2, 0, 1)[None]})[0]
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    assert parity.cosine(clip.encode_image(picture), found[None])[0] > 0.999999


@pytest.mark.parametrize("resize", ["squash", "longest"])
def test_immich_is_refused_for_models_that_see_whole_pictures(bundled, tmp_path, resize):
    wanted = preparation.Preparation(resize=resize)
    with pytest.raises(command.Refusal, match="immich crops every picture, and vit sees whole"):
        immich.write(parts(bundled, preparation=wanted), tmp_path / "immich")
    assert not (tmp_path / "immich").exists()


def test_large_weights_lie_beside_the_files(bundled, tmp_path, monkeypatch, clip):
    """As those of towers beyond a gigabyte."""
    monkeypatch.setattr(layouts.graphs, "EXTERNAL_DATA_FROM", 0)
    triton.write(parts(bundled), tmp_path / "triton")
    immich.write(parts(bundled), tmp_path / "immich")
    folders = [tmp_path / "immich/textual", tmp_path / "triton/vit_textual/1"]
    for folder, kind in zip(folders, (np.int32, np.int64), strict=True):
        file, beside = folder / "model.onnx", folder / "model.onnx.data"
        assert beside.stat().st_size > 10 * file.stat().st_size
        session = onnxruntime.InferenceSession(file)
        ids = np.array([[49406, 320, 49407]], kind)
        (found,) = session.run(None, {session.get_inputs()[0].name: ids})[0]
        assert parity.cosine(clip.encode_text("a"), found[None])[0] > 0.999999


def described(folder):
    """{input or output: (type, dims)} of a config.pbtxt."""
    line = re.compile(r'name: "(\w+)" data_type: (\w+) dims: \[([^]]*)\]')
    found = line.findall((folder / "config.pbtxt").read_text("utf-8"))
    return {name: (kind, [int(size) for size in dims.split(",")]) for name, kind, dims in found}


@pytest.mark.parametrize("graph", ["visual", "textual", "preprocess"])
def test_tritons_configuration_is_what_the_file_takes(for_triton, graph):
    folder = for_triton / f"vit_{graph}"
    session = onnxruntime.InferenceSession(folder / "1/model.onnx")
    values = [*session.get_inputs(), *session.get_outputs()]
    types = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}
    types["tensor(uint8)"] = "TYPE_UINT8"
    assert described(folder) == {
        value.name: (
            types[value.type],
            [size if isinstance(size, int) else -1 for size in value.shape],
        )
        for value in values
    }
    assert f'name: "{folder.name}"' in (folder / "config.pbtxt").read_text("utf-8")


def test_tritons_ensemble_leads_a_picture_to_its_embedding(for_triton, clip):
    text = (for_triton / "vit_image/config.pbtxt").read_text("utf-8")
    assert (for_triton / "vit_image/1").is_dir()  # Triton asks for a version of every model
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (91, 70, 3), np.uint8)
    held = {"image": picture}
    steps = re.findall(r'model_name: "(\w+)"(.*?)\n    }', text, re.DOTALL)
    for name, maps in steps:
        ways = {
            kind: dict(re.findall(rf'{kind}_map {{ key: "(\w+)" value: "(\w+)" }}', maps))
            for kind in ("input", "output")
        }
        session = onnxruntime.InferenceSession(for_triton / name / "1/model.onnx")
        feeds = {inner: held[outer] for inner, outer in ways["input"].items()}
        found = session.run([*ways["output"]], feeds)
        held |= dict(zip(ways["output"].values(), found, strict=True))
    assert [name for name, _ in steps] == ["vit_preprocess", "vit_visual"]
    assert [*described(for_triton / "vit_image")] == ["image", "image_embeds"]
    assert parity.cosine(clip.encode_image(picture), held["image_embeds"])[0] > 0.999999


def test_a_bundle_has_the_layouts_that_params_yaml_names(bundled, tmp_path, monkeypatch):
    content = yaml.safe_load((bundled / "params.yaml").read_text("utf-8"))
    content["bundle"] = {"layouts": {"immich": "int8w", "triton": "fp32"}}
    small.set_up(tmp_path, content)
    (tmp_path / "data").symlink_to(bundled / "data")
    monkeypatch.chdir(tmp_path)
    given = ["data/models/vit", "data/reference/vit", "data/checkpoints/vit", "data/evalset"]
    small.run_stage("bundle", *given, "made/vit")
    assert {path.name for path in (tmp_path / "made/vit/immich").iterdir()} == {
        *("config.json", "textual", "visual")
    }
    assert (tmp_path / "made/vit/triton/vit_textual/1/model.onnx").is_file()
    made = tmp_path / "made"
    for tower in ("visual", "textual"):
        shutil.copytree(bundled / f"data/models/vit/{tower}", made / f"models/vit/{tower}")
    shutil.rmtree(made / "models/vit/visual/fp32")
    (made / "models/vit/visual/fp32").mkdir()
    absent.write(made / "models/vit/visual/fp32", absent.Absent("no such operator"))
    with pytest.raises(command.Refusal, match="triton: vit has no visual tower in fp32") as error:
        small.run_stage("bundle", made / "models/vit", *given[1:], "made/other")
    assert "name an encoding" in str(error.value) and not (made / "other").exists()
    content["bundle"]["layouts"] = {"immich": "int9w"}
    small.write_params(tmp_path, content)
    with pytest.raises(command.Refusal, match="bundle.layouts.immich: 'int9w' is not among"):
        params.load()
