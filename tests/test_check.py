"""Published answers, with small checkpoints in the place of OpenAI's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_onnx import command, openai
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from stages.check import noise
from tools import architectures

import small


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "pictures/picture.png"
    path.parent.mkdir()
    Image.effect_noise((90, 70), 80).convert("RGBA").save(path)
    return path


def published(archive, picture):
    """Answers as OpenAI's code gives them, in the form of stages/check/known_answers.json."""
    model, preprocess = openai.load(str(archive), device="cpu", jit=False)
    torch.manual_seed(0)
    pixels, input_ids = torch.randn(1, 3, 64, 64), torch.randint(0, 49408, (1, 77))
    captions = ["a diagram", "a dog", "a cat"]
    with torch.inference_mode():
        text = model.encode_text(openai.tokenize(["an astronaut"]))[0, :20]
        logits, _ = model(preprocess(Image.open(picture))[None], openai.tokenize(captions))
        of_noise = model.encode_image(pixels), model.encode_text(input_ids)
    common = {"checkpoint_sha256": small.sha256(archive)}
    return [
        {
            **common,
            "name": "text",
            "caption": "an astronaut",
            "text_embeds": text.tolist(),
            "tolerance": 5e-3,
            "cosine_min": 0.9999,
        },
        {
            **common,
            "name": "picture",
            "picture": picture.name,
            "captions": captions,
            "probabilities": logits.softmax(-1)[0].tolist(),
            "tolerance": 2e-3,
        },
    ] + [
        {
            **common,
            "name": f"noise-{tower}",
            "tower": tower,
            "embeds_mean": round(float((embeds / embeds.norm()).mean()), 4),
            "tolerance": 1e-4,
        }
        for tower, embeds in zip(TOWERS, of_noise, strict=True)
    ]


@pytest.fixture
def run(built, archives, tmp_path, monkeypatch):
    """The stage on one of the small models: (kind, answers, folder of pictures) -> its output."""
    monkeypatch.setattr(noise, "SIDES", (64,))

    def compare(kind, listed, folder):
        content = small.params(archives) | {"known_answers": {"pictures": folder and str(folder)}}
        small.write_params(tmp_path, content)
        monkeypatch.chdir(tmp_path)
        Path("answers.json").write_text(json.dumps(listed), "utf-8")
        towers = [f"--{tower}={built}/data/patch/{kind}/{tower}/std" for tower in TOWERS]
        checkpoint = built / f"data/checkpoints/{kind}"
        small.run_stage("check", *towers, checkpoint, "answers.json", "out.json")
        return json.loads(Path("out.json").read_text("utf-8"))

    return compare


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_answers_of_openais_code_are_given(run, archives, picture, kind):
    listed = published(archives[kind], picture)
    found = run(kind, listed, picture.parent)
    assert {name: answer["agrees"] for name, answer in found.items()} == {
        "text": True, "picture": True, "noise-visual": True, "noise-textual": True
    }  # fmt: skip
    assert found["text"]["cosine"] > 0.999999
    assert found["picture"]["largest_difference"] < 1e-4


def test_a_wrong_answer_is_told(run, archives, picture):
    listed = published(archives["vit"], picture)
    listed[0]["text_embeds"][3] += 0.01
    listed[1]["probabilities"][0] += 0.003
    listed[2]["embeds_mean"] += 0.0003
    found = run("vit", listed, picture.parent)
    wrong = [name for name, answer in found.items() if not answer["agrees"]]
    assert wrong == ["text", "picture", "noise-visual"]
    assert found["text"]["largest_difference"] == pytest.approx(0.01, abs=1e-4)


def test_no_picture_and_another_checkpoint_are_not_compared(run, archives, picture):
    listed = published(archives["vit"], picture)
    assert run("vit", listed, None).keys() == {"text", "noise-visual", "noise-textual"}
    assert run("rn", listed, picture.parent) == {}


def test_a_folder_without_the_pictures_and_what_is_no_picture_are_named(run, archives, picture):
    listed = published(archives["vit"], picture)
    with pytest.raises(command.Refusal, match=r"nowhere has none of picture\.png, correct"):
        run("vit", listed, picture.parent / "nowhere")
    picture.write_bytes(b"no picture")
    with pytest.raises(command.Refusal, match=r"picture\.png cannot be read as a picture, replace"):
        run("vit", listed, picture.parent)


def test_the_noise_is_that_of_a_seeded_torch():
    pixels, input_ids = noise.drawn()
    torch.manual_seed(0)
    for side in (224, 288, 384, 448):
        np.testing.assert_array_equal(pixels[side], torch.randn(1, 3, side, side))
    np.testing.assert_array_equal(input_ids, torch.randint(0, 49408, (1, 77)))


def test_the_published_answers_are_of_openais_files():
    listed = json.loads(Path("stages/check/known_answers.json").read_text("utf-8"))
    models = params.load().models
    official = {models[name].sha256: name for name in architectures.OFFICIAL}
    towers = {
        (official[one["checkpoint_sha256"]], one["tower"]) for one in listed if "tower" in one
    }
    eight = {*official.values()} - {"vit-l-14-336"}
    assert towers == {(name, tower) for name in eight for tower in TOWERS}
    for answer in listed:
        if "tower" not in answer:
            assert official[answer["checkpoint_sha256"]] == "vit-b-32"
        if "probabilities" in answer:
            assert np.sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    names = [(one["checkpoint_sha256"], one["name"]) for one in listed]
    assert len(set(names)) == len(names)
