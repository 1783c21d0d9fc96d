"""The library on a small bundle, against OpenAI's own code."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clip_onnx import Clip, Refusal, openai
from clip_onnx.host import preprocessor, sessions
from clip_onnx.measure import parity
from clip_onnx.openai import models

ONE = np.ones((1, 48), np.float32)
TEXTS = ["a red circle", "a photo of a cat", "x"]


@pytest.fixture(scope="module")
def folder(bundled):
    return bundled / "data/bundles/vit"


@pytest.fixture(scope="module")
def pictures():
    """A picture of each mode in which files come, none of them square."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 4), np.uint8)
    whole = Image.fromarray(noise)
    return [whole, whole.convert("RGB"), whole.convert("L"), whole.convert("P"), whole.rotate(90)]


def test_pictures_are_embedded_as_openais_code_does(bundled, folder, pictures, tmp_path):
    pixels = np.stack([openai.transform(64)(picture).numpy() for picture in pictures])
    (expected,) = [models_embed(bundled, "visual", pixels)]
    found = Clip(folder).encode_image(pictures, normalize=False)
    assert found.dtype == np.float32
    assert parity.cosine(expected, found).min() > 0.99999
    pictures[0].save(tmp_path / "a.png")
    array = np.asarray(pictures[1])
    mixed = Clip(folder).encode_image([tmp_path / "a.png", array], normalize=False)
    assert parity.cosine(mixed, found[:2]).min() > 0.999999


def models_embed(bundled, tower, batch):
    import torch

    directory = bundled / "data/checkpoints/vit"
    return models.embed(directory, tower, [torch.from_numpy(batch)]).numpy()


def test_texts_are_embedded_as_openais_code_does(bundled, folder):
    expected = models_embed(bundled, "textual", openai.tokenize(TEXTS).numpy())
    clip = Clip(folder, encoding="int8w")
    found = clip.encode_text(TEXTS)
    assert parity.cosine(expected, found).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert parity.cosine(clip.encode_text(TEXTS[0]), found[:1])[0] > 0.999999  # alone, in a batch


@pytest.mark.parametrize("name", ["npu", "onnx/text_model_npu.onnx"])
def test_a_profile_of_fixed_axes_gives_the_same(folder, name):
    """The npu profile of this bundle leaves the end token and the projection to the host."""
    np.testing.assert_allclose(
        Clip(folder, name).encode_text(TEXTS), Clip(folder).encode_text(TEXTS), atol=1e-5
    )


def test_only_the_tower_that_is_asked_is_loaded(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "onnx/vision_model.onnx").write_bytes(b"torn")
    clip = Clip(copy)
    assert clip.encode_text(TEXTS).shape == (3, 48)
    with pytest.raises(Refusal, match="vision_model.onnx cannot be loaded"):
        clip.encode_image([Image.new("RGB", (9, 9))])


def test_inputs_stream_through_in_batches(folder, monkeypatch):
    """No more than a batch of an endless supply is taken before any of it is embedded."""
    clip, taken = Clip(folder), []
    monkeypatch.setattr(clip, "_pixels", lambda batch: taken.append(len(batch)) or np.stack(batch))

    def supply():
        for number in range(40):
            assert number < sum(taken) + 16
            yield np.zeros((3, 64, 64), np.float32)

    assert clip.encode_image(supply()).shape == (40, 48)
    assert taken == [16, 16, 8]
    assert clip.encode_image([]).shape == clip.encode_text([]).shape == (0, 48)


def test_classify_gives_what_clip_forward_does(bundled, folder, pictures):
    clip, labels = Clip(folder), ["a cat", "a dog", "a bird"]
    images = clip.encode_image(pictures)
    texts = [f"a photo of {label}." for label in labels]
    found = clip.classify(images, labels, templates=["a photo of {}."])
    logits = clip.bundle.logit_scale * clip.similarity(images, clip.encode_text(texts))
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    again = clip.classify(pictures, labels, ["a photo of {}."])
    np.testing.assert_allclose(again, found, rtol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda clip, folder: Clip("nowhere"), "nowhere is no bundle, for its golden.json"),
        (lambda clip, folder: Clip(folder, "int3w"), "has no 'int3w': .*fp32, int4w"),
        (lambda clip, folder: Clip(folder, providers=["Foo"]), "has no Foo here, but .*CPU"),
        (lambda clip, folder: Clip(folder, providers="Foo"), "providers is a list"),
        (lambda clip, folder: clip.encode_image(["gone.png"]), "'gone.png' cannot be read"),
        (lambda clip, folder: clip.encode_image(folder / "golden.json"), "json' cannot be read"),
        (lambda clip, folder: clip.encode_image(np.zeros((3, 8, 8))), "float64 .* is no picture"),
        (lambda clip, folder: clip.encode_image(np.zeros((3, 8, 8), "u1")), "uint8 .* no picture"),
        (lambda clip, folder: clip.encode_image([None]), "a NoneType is no picture"),
        (lambda clip, folder: clip.encode_image(Image.new("I;16", (9, 9))), "more than 8 bits"),
        (lambda clip, folder: clip.encode_text("a " * 99), "101 tokens, not 77: shorten it"),
        (lambda clip, folder: clip.encode_text([None]), "None is no text"),
        (lambda clip, folder: clip.encode_text(3), "texts: int is none of them"),
        (lambda clip, folder: clip.classify(ONE, ["a", "b"], ["no place"]), "needs {} once"),
        (lambda clip, folder: clip.classify(ONE, "circle"), "labels is a list of different texts"),
        (lambda clip, folder: clip.classify(ONE, ["a", "a"]), "labels is a list of different"),
        (lambda clip, folder: clip.classify(ONE, []), "labels is a list of different texts"),
        (lambda clip, folder: clip.classify(ONE[:, :3], ["a", "b"]), "embeddings of 3 and of 48"),
        (lambda clip, folder: clip.similarity(0 * ONE, ONE), "zero or not finite"),
        (lambda clip, folder: clip.similarity(ONE[0], ONE), "is no embeddings: give"),
    ],
)
def test_wrong_inputs_are_refused_in_a_line(folder, wrong, message):
    with pytest.raises(Refusal, match=message) as refused:
        wrong(Clip(folder), folder)
    assert "\n" not in str(refused.value)


def test_truncated_texts_keep_their_end_token(bundled, folder):
    text = "a diagram. " * 40
    ids = openai.tokenize([text], truncate=True).numpy()
    expected = models_embed(bundled, "textual", ids)
    found = Clip(folder).encode_text(text, truncate=True)
    assert parity.cosine(expected, found)[0] > 0.99999


def run(*arguments):
    line = [sys.executable, "-m", "clip_onnx", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True)


def test_the_command_embeds_classifies_searches_and_verifies(folder, pictures, tmp_path):
    for number, picture in enumerate(pictures[:2]):
        picture.save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.glob("*.png"))
    printed = run("embed", folder, "--texts", *TEXTS).stdout.splitlines()
    assert [json.loads(line)["input"] for line in printed] == TEXTS
    assert not run("embed", folder, "--images", *files, "--output", tmp_path / "e.npy").stdout
    assert np.load(tmp_path / "e.npy").shape == (2, 48)
    chosen = run("classify", folder, *files, "--labels", "a cat", "a dog", "--encoding", "int8w")
    assert [line.split("\t")[0] for line in chosen.stdout.splitlines()] == [*map(str, files)]
    found = run("search", folder, tmp_path, "a cat", "--top", "1").stdout.split("\t")
    assert found[1] == "a cat"
    assert found[2].strip() in map(str, files)
    assert "vision_model.onnx" in run("verify", folder).stdout
    (tmp_path / "torn.png").write_bytes(files[0].read_bytes()[:99])
    Image.new("RGB", (1, 1001)).save(tmp_path / "line.png")
    found = run("search", folder, tmp_path, "a cat")
    assert len(found.stdout.splitlines()) == 2
    assert [found.stderr.count(f"left out: {tmp_path / n}.png") for n in ("torn", "line")] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "BUNDLE", "BUNDLE", "a cat"], "holds no pictures"),
        (["search", "BUNDLE", "nowhere", "a cat"], "nowhere is no folder"),
        (["embed", "BUNDLE", "--texts", "a", "--output", "FOLDER"], "is there and no plain file"),
        (["embed", "BUNDLE", "--texts", "a", "--output", "FOLDER/x/y.npy"], "cannot be written"),
        (["verify", "FOLDER"], "is no whole bundle"),
    ],
)
def test_what_the_command_cannot_do_is_a_line_and_loses_nothing(
    folder, tmp_path, arguments, message
):
    (tmp_path / "kept").write_text("kept", "utf-8")
    places = {"BUNDLE": str(folder)}
    line = [places.get(word, word.replace("FOLDER", str(tmp_path))) for word in arguments]
    refused = run(*line)
    assert refused.returncode == 1, refused.stderr
    assert refused.stderr.startswith("error: ") and message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "kept").read_text("utf-8") == "kept"


@pytest.mark.parametrize("scale", [1e-3, 4.85e8, 3e38])
def test_whatever_scale_a_checkpoint_may_have_is_taken(folder, tmp_path, scale):
    copy = shutil.copytree(folder, tmp_path / "copy")
    golden = json.loads((copy / "golden.json").read_text("utf-8"))
    (copy / "golden.json").write_text(json.dumps(golden | {"logit_scale": scale}), "utf-8")
    assert len(Clip(copy).encode_text(["a red circle"])) == 1


def test_a_bundle_that_is_torn_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    golden = json.loads((copy / "golden.json").read_text("utf-8"))
    (copy / "golden.json").write_text(json.dumps(golden | {"files": {}}), "utf-8")
    with pytest.raises(Refusal, match="torn or a bundle of another version"):
        Clip(copy)
    (copy / "golden.json").write_text(json.dumps(golden), "utf-8")
    (copy / "tokenizer.json").write_text("{", "utf-8")
    with pytest.raises(Refusal, match=r"tokenizer\.json cannot be read"):
        Clip(copy).encode_text("a")
    smaller = json.dumps(preprocessor.written(32))
    (copy / "preprocessor_config.json").write_text(smaller, "utf-8")
    with pytest.raises(Refusal, match="does not fit together"):
        Clip(copy).encode_image(Image.new("RGB", (9, 9)))
    (copy / "preprocessor_config.json").write_text(smaller.replace("true", "false"), "utf-8")
    with pytest.raises(Refusal, match="do_resize is false, possible is true"):
        Clip(copy)


def test_the_library_needs_no_more_than_it_declares():
    """Neither torch nor what only the pipeline has."""
    program = (
        "import sys, clip_onnx.cli; others = {'torch', 'onnx', 'onnx_ir', 'pydantic', 'dvc',"
        " 'yaml', 'safetensors', 'pandas', 'scipy'}; print(sorted(others & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_what_is_no_number_is_given_to_nobody(folder, monkeypatch):
    clip = Clip(folder)
    monkeypatch.setattr(sessions, "run", lambda *given: np.full((1, 48), np.nan, np.float32))
    with pytest.raises(Refusal, match="gives embeddings that are no numbers: copy it again"):
        clip.encode_text("a")


def test_a_torn_projection_and_a_tokenizer_that_cannot_encode_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (projection,) = copy.glob("onnx/*.npy")
    projection.write_bytes(projection.read_bytes()[:100])
    with pytest.raises(Refusal, match="cannot be loaded, copy the bundle again"):
        Clip(copy, "npu").encode_text("a")
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}
    (copy / "tokenizer.json").write_text(json.dumps({"model": model}), "utf-8")
    with pytest.raises(Refusal, match="does not fit together, copy it again"):
        Clip(copy).encode_text("b")


def test_a_machine_that_is_nested_without_end_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "machine.json").write_text("[" * 100_000, "utf-8")
    with pytest.raises(Refusal, match=r"machine\.json cannot be read"):
        Clip(copy)
