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

import small


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.effect_noise((90, 70), 80).convert("RGBA").save(path)
    return path


def published(archive, picture):
    """Answers as OpenAI's code gives them, in the form of stages/check/known_answers.json."""
    model, preprocess = openai.load(str(archive), device="cpu", jit=False)
    captions = ["a diagram", "a dog", "a cat"]
    with torch.inference_mode():
        text = model.encode_text(openai.tokenize(["an astronaut"]))[0, :20]
        logits, _ = model(preprocess(Image.open(picture))[None], openai.tokenize(captions))
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
            "captions": captions,
            "probabilities": logits.softmax(-1)[0].tolist(),
            "tolerance": 2e-3,
        },
    ]


@pytest.fixture
def run(built, archives, tmp_path, monkeypatch):
    """The stage on one of the small models: (kind, answers, path of the picture) -> its output."""

    def compare(kind, listed, picture):
        content = small.params(archives) | {"known_answers": {"picture": picture and str(picture)}}
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
    found = run(kind, listed, picture)
    assert found["text"]["agrees"]
    assert found["text"]["cosine"] > 0.999999
    assert found["picture"]["agrees"]
    assert found["picture"]["largest_difference"] < 1e-4
    assert found.keys() == {"text", "picture"}


def test_a_wrong_answer_is_told(run, archives, picture):
    listed = published(archives["vit"], picture)
    listed[0]["text_embeds"][3] += 0.01
    listed[1]["probabilities"][0] += 0.003
    found = run("vit", listed, picture)
    assert not found["text"]["agrees"]
    assert found["text"]["largest_difference"] == pytest.approx(0.01, abs=1e-4)
    assert not found["picture"]["agrees"]


def test_no_picture_and_another_checkpoint_are_not_compared(run, archives, picture):
    listed = published(archives["vit"], picture)
    assert run("vit", listed, None).keys() == {"text"}
    assert run("rn", listed, picture) == {}


def test_a_missing_picture_is_named(run, archives, picture, tmp_path):
    listed = published(archives["vit"], picture)
    with pytest.raises(command.Refusal, match=r"gone\.png cannot be read as a picture, correct"):
        run("vit", listed, tmp_path / "gone.png")


def test_the_published_answers_are_of_openais_file():
    listed = json.loads(Path("stages/check/known_answers.json").read_text("utf-8"))
    official = params.load().models["vit-b-32"].sha256
    assert {answer["checkpoint_sha256"] for answer in listed} == {official}
    text, picture = listed
    assert len(text["text_embeds"]) == 20
    assert np.sum(picture["probabilities"]) == pytest.approx(1, abs=1e-4)
