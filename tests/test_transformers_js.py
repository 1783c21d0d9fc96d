"""The small ViT's bundle in transformers.js, in Node and in Chromium, where they are installed."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_onnx import command
from clip_onnx.host import sessions, tokens
from clip_onnx.host.pictures import preprocess
from runtimes import browser, comparison, jobs, transformers_js

missing = browser.missing("@huggingface/transformers")
pytestmark = [
    pytest.mark.runtimes,
    pytest.mark.skipif(missing is not None, reason=str(missing)),
]


@pytest.fixture(scope="module", params=transformers_js.PLACES)
def ask(request, bundled):
    with transformers_js.PLACES[request.param](bundled / "data/bundles") as ask:
        yield ask


@pytest.fixture(scope="module")
def golden(bundled):
    return json.loads((bundled / "data/bundles/vit/golden.json").read_text("utf-8"))


@pytest.mark.parametrize("tower", ["visual", "textual"])
@pytest.mark.parametrize("encoding", ["fp32", "int8w", "fp16w", "int4w", "mixed"])
def test_towers_give_what_onnx_runtime_gives(ask, bundled, tower, encoding):
    models, reference = bundled / "data/models/vit", bundled / "data/reference/vit"
    run = transformers_js.runner(ask)
    metrics = comparison.compare(models / tower / encoding, reference, 3, run)
    assert metrics["runtime_cosine"] >= 0.99999


def test_clip_model_is_clips_forward(ask, bundled):
    directory, reference = bundled / "data/models/vit/combined/fp32", bundled / "data/reference/vit"
    metrics = comparison.compare(directory, reference, 3, transformers_js.runner(ask))
    assert metrics["cosine"] >= 0.99999


def test_tokens_of_the_golden_captions_are_openais(ask, golden):
    """transformers.js cuts the end token off a long text; whoever uses it puts it back."""
    texts = [text["caption"] for text in golden["texts"]]
    found = ask({"task": "tokenize", "model": "vit", "texts": texts})
    assert [*found[:-1], [*found[-1][:-1], tokens.END_ID]] == [
        text["input_ids"] for text in golden["texts"]
    ]
    assert len(found[-1]) == tokens.CONTEXT


def test_zero_shot_pipeline_gives_the_models_probabilities(ask, bundled, golden):
    """A picture of the model's own size, which no picture processing can resize in its own way."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file, picture = io.BytesIO(), Image.fromarray(pixels)
    picture.save(file, "PNG")
    texts = sorted(golden["texts"], key=lambda text: len(text["input_ids"]))[:3]
    found = ask(
        {
            "task": "classify",
            "model": "vit",
            "options": {"dtype": "fp32"},
            "picture": base64.b64encode(file.getvalue()).decode(),
            "labels": [text["caption"] for text in texts],
            "template": "{}",
        }
    )
    session = sessions.session(bundled / "data/models/vit/combined/fp32")
    length = max(len(text["input_ids"]) for text in texts)
    ids = np.array([(text["input_ids"] + [tokens.END_ID] * length)[:length] for text in texts])
    feeds = {"pixel_values": preprocess(picture, 64)[None], "input_ids": ids}
    logits = comparison.native(session, feeds)["logits_per_image"][0]
    odds = np.exp(logits - logits.max())
    scores = {entry["label"]: entry["score"] for entry in found}
    expected = odds / odds.sum()
    assert [scores[text["caption"]] for text in texts] == pytest.approx(expected, abs=1e-4)


def test_a_file_that_is_not_in_the_bundle_is_refused(ask, bundled):
    path = Path("data/models/vit/visual/int7w/model.onnx")
    with pytest.raises(command.Refusal, match="vision_model_int7w.onnx"):
        jobs.run(ask, {}, task="run", **transformers_js.client(path))


def test_missing_node_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(jobs.shutil, "which", lambda name: None)
    with pytest.raises(command.Refusal, match="install Node"), transformers_js.in_node(tmp_path):
        pass
