"""Models of transformers whose tokens are not CLIP's: from their folder to their bundle."""

import json

import networks
import numpy as np
import one_tower
import other_tokens
import pytest
import torch

from clip_onnx import Clip, absent, host, openai, verify
from clip_onnx.checkpoint import network
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import inputs, parity
from clip_onnx.openai import models
from clip_onnx.settings import params
from stages.bundle.layouts import immich
from stages.calibrate import scrambled
from web import figures, index

import small

LEAST = 0.9999999


@pytest.fixture(scope="module")
def pipeline(once):
    """A project folder in which every stage has run for `mine`, a small MetaCLIP 2."""

    def make(folder):
        other_tokens.save(folder / "saved")
        content = small.params({"mine": folder / "saved/model.safetensors"})
        content["grid"] |= {"profiles": ["npu", "onnxjs"], "composed": ["fp32"]}
        content["grid"] |= {"products": ["combined", "classifier"]}
        content["grid"]["encodings"] = {
            "plain": ["fp32", "fp16"],
            "by_sensitivity": ["int8w"],
            "resnets": [],
        }
        content["bundle"] = {"layouts": {"immich": "fp32"}}
        small.set_up(folder, content)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            one_tower.run_pipeline()

    return once("other_tokens", make)


@pytest.fixture(scope="module")
def theirs(pipeline):
    """transformers' own (model, tokenizer) of what was saved."""
    from transformers import AutoTokenizer, MetaClip2Model

    folder = pipeline / "saved"
    return MetaClip2Model.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_every_file_is_measured_and_close(pipeline):
    found = json.loads((pipeline / "metrics/parity.json").read_text("utf-8"))["mine"]
    assert found["textual"].keys() == {"pytorch", "fp32", "fp16", "int8w", "npu"}
    for variant in ("pytorch", "fp32", "npu"):
        assert found["textual"][variant]["cosine_min"] > LEAST
    for product in ("combined", "classifier"):
        assert found[product]["fp32"]["cosine_min"] > LEAST
    assert found["textual"]["fp16"]["cosine_min"] > 0.9999
    assert found["textual"]["int8w"]["snr_db"] > 25


def test_captions_are_in_the_tokens_of_transformers(pipeline, theirs):
    captions = inputs.captions(pipeline / "data/reference/mine")[inputs.EVALUATION]
    with inputs.reference(pipeline / "data/reference/mine") as reference:
        rows = inputs.token_rows(reference)
    assert rows == theirs[1](captions, truncation=True, max_length=77).input_ids
    assert {row[-1] for row in rows} == {other_tokens.END_ID}


def test_onnxjs_has_no_operator_that_finds_the_end(pipeline):
    folder = pipeline / "data/models/mine/textual/onnxjs"
    reason = "the profile's operators have no Equal, by which the end of its texts is found"
    assert absent.why(folder) == reason


@pytest.mark.parametrize("encoding", ["fp32", "npu"])
@pytest.mark.parametrize("padding", [True, "max_length"])
def test_a_bundle_says_of_raw_texts_what_transformers_says(pipeline, theirs, encoding, padding):
    model, tokenizer = theirs
    given = tokenizer(
        other_tokens.CAPTIONS, padding=padding, truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model.get_text_features(**given).pooler_output.numpy()
    clip = Clip(pipeline / "data/bundles/mine", encoding=encoding)
    embeds = clip.encode_text(other_tokens.CAPTIONS, truncate=True)
    assert parity.cosine(expected, embeds).min() > LEAST


def test_a_bundle_has_the_tokenizer_and_is_verified(pipeline, capsys):
    bundle = pipeline / "data/bundles/mine"
    verify.report(bundle)
    assert "text_model_npu.onnx" in capsys.readouterr().out
    saved = json.loads((pipeline / "saved/tokenizer_config.json").read_text("utf-8"))
    kept = json.loads((bundle / "tokenizer_config.json").read_text("utf-8"))
    assert kept == saved | {"model_max_length": 77}
    for folder in (bundle, bundle / "immich/textual", pipeline / "data/checkpoints/mine"):
        copied = (folder / "tokenizer.json").read_bytes()
        assert copied == (pipeline / "saved/tokenizer.json").read_bytes()
    pad = json.loads((bundle / "immich/textual/tokenizer_config.json").read_text("utf-8"))
    assert pad["pad_token"] == "<pad>"
    assert not (bundle / "vocab.json").exists()
    config = json.loads((bundle / "config.json").read_text("utf-8"))["text_config"]
    assert config["eos_token_id"] == other_tokens.END_ID and "pad_token_id" not in config


def test_transformers_reads_a_bundles_tokenizer(pipeline, theirs):
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(pipeline / "data/bundles/mine")
    assert again(other_tokens.CAPTIONS).input_ids == theirs[1](other_tokens.CAPTIONS).input_ids


def test_pages_leave_texts_as_they_are(pipeline):
    nothing = figures.Figures({}, {}, params.load(pipeline / "params.yaml"))
    (model,) = index.build(pipeline / "data/bundles", nothing, ["fp32"])["models"]
    assert model["cleaned"] is False


def test_the_end_of_a_text_is_its_first_end_token():
    ids = np.array([[0, 9, 2, 2, 1], [0, 2, 7, 2, 9]])
    assert host.eot_positions(ids, 2).tolist() == [2, 1]
    assert host.eot_positions(ids).tolist() == [1, 4]
    assert host.eot_onehot(ids, 2).argmax(-1).tolist() == [2, 1]


def test_scrambled_texts_end_once_and_name_all_tokens_but_the_end():
    rows = np.zeros((2, 77), np.int64)
    rows[0, :4], rows[1, :3] = [0, 9, 8, 2], [0, 7, 2]
    found = scrambled.texts(rows, end_id=2, size=500)
    ends = host.eot_positions(found, 2)
    assert ((found == 2).sum(1) == 1).all() and (found[:, 0] == 0).all()
    words = {int(token) for row, end in zip(found, ends, strict=True) for token in row[1:end]}
    assert words == {*range(500)} - {2}


@pytest.mark.parametrize("kind", ["MetaClip2", "CLIP"])
def test_networks_of_both_classes_are_what_transformers_computes(tmp_path, kind):
    model, tokenizer = other_tokens.save(tmp_path / "saved", kind)
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    end_id = {"MetaClip2": other_tokens.END_ID, "CLIP": other_tokens.PAD_ID}[kind]
    assert network.read(checkpoint).textual.end_id == end_id
    rows = tokenizer(other_tokens.CAPTIONS, truncation=True, max_length=77).input_ids
    given = torch.from_numpy(tokens.pad(rows, other_tokens.END_ID, 77))
    with torch.inference_mode():
        expected = model.eval().get_text_features(input_ids=given).pooler_output.numpy()
    exact = models.embed(checkpoint, "textual", [given]).numpy()
    session = sessions.session(networks.export(checkpoint, tmp_path)["textual"])
    for batches in sessions.text_settings(rows):
        embeds = sessions.run(session, batches)
        for truth in (expected, exact):
            assert parity.cosine(truth, embeds).min() > LEAST


def test_a_text_that_names_the_end_token_ends_there(pipeline):
    bundle = pipeline / "data/bundles/mine"
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    tokenizer = tokens.load(bundle / "tokenizer.json", 77)
    (row,) = tokens.encode(tokenizer, ["a red </s> circle"])
    end = row.index(other_tokens.END_ID)
    assert end < len(row) - 1
    text = {"caption": "a red </s> circle", "input_ids": row[: end + 1], "text_embeds": [0.0]}
    ((ids,), _), *_ = verify.of_texts(bundle, golden | {"texts": [text]})["textual"]
    assert ids[0].tolist() == row


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pad_token": {"content": "<pad>"}}, "<pad>"),
        ({"pad_token": "<nowhere>"}, "</s>"),
        ({}, "</s>"),
    ],
)
def test_immich_pads_with_a_token_of_the_tokenizers(tmp_path, settings, expected):
    other_tokens.tokenizer().save(str(tmp_path / tokens.FILE))
    (tmp_path / tokens.CONFIG_FILE).write_text(json.dumps(settings), "utf-8")
    assert immich.padding(tmp_path, other_tokens.END_ID) == expected


def test_immich_pads_clips_tokens_with_their_end(tmp_path):
    tokens.from_bpe(openai.BPE).save(str(tmp_path / tokens.FILE))
    assert immich.padding(tmp_path, None) == tokens.END
