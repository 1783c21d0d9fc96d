"""Models of transformers whose tokens are not CLIP's: from their folder to their bundle."""

import json
import re

import networks
import numpy as np
import one_tower
import other_tokens
import pytest
import torch

from clip_onnx import Clip, absent, command, host, verify
from clip_onnx.checkpoint import architecture, network
from clip_onnx.checkpoint.network import Blocks
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import inputs, parity
from clip_onnx.openai import models
from clip_onnx.settings import params
from stages.bundle.layouts import immich
from stages.calibrate import scrambled
from stages.download import checkpoints, sources, tokenizer
from web import figures, index

import small

CAPTIONS = ["a red circle", *other_tokens.FOREIGN, "", "ﬁne &amp; “quoted”", "word " * 90]
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
        CAPTIONS, padding=padding, truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model.get_text_features(**given).pooler_output.numpy()
    clip = Clip(pipeline / "data/bundles/mine", encoding=encoding)
    embeds = clip.encode_text(CAPTIONS, truncate=True)
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
    assert again(CAPTIONS).input_ids == theirs[1](CAPTIONS).input_ids


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
    found = scrambled.texts(rows, end_id=2, vocabulary=500)
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
    rows = tokenizer(CAPTIONS, truncation=True, max_length=77).input_ids
    given = torch.from_numpy(tokens.pad(rows, other_tokens.END_ID, 77))
    with torch.inference_mode():
        expected = model.eval().get_text_features(input_ids=given).pooler_output.numpy()
    exact = models.embed(checkpoint, "textual", [given]).numpy()
    session = sessions.session(networks.export(checkpoint, tmp_path)["textual"])
    for batches in sessions.text_settings(rows):
        embeds = sessions.run(session, batches)
        for truth in (expected, exact):
            assert parity.cosine(truth, embeds).min() > LEAST


def change(file, **fields):
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(content | fields), "utf-8")


def text_config(folder, **fields):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    change(folder / "config.json", text_config=config["text_config"] | fields)


CONFIG = "tokenizer_config.json"
WRONG = {
    "without its tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "knows 605 tokens, CLIP 49408: put its tokenizer.json and tokenizer_config.json beside",
    ),
    "without its settings": (
        lambda folder: (folder / CONFIG).unlink(),
        f"a tokenizer of its own, and no {CONFIG} beside it names its tokenizer_class, .*",
    ),
    "with a broken tokenizer": (
        lambda folder: change(folder / "tokenizer.json", pre_tokenizer={"type": "None"}),
        r"tokenizer.json cannot be read \(.*\): fetch it again",
    ),
    "with another end": (
        lambda folder: text_config(folder, eos_token_id=3),
        "tokenizer.json beside it ends texts with token 2, eos_token_id in .* is 3: correct",
    ),
    "with an end that there is not": (
        lambda folder: text_config(folder, eos_token_id=605),
        "eos_token_id in text_config of config.json is 605",
    ),
    "as a CLIP, where 2 is the highest id": (
        lambda folder: change(folder / "config.json", model_type="clip"),
        "eos_token_id in .* is 2, which transformers takes as the highest: correct",
    ),
    "with code of its own": (
        lambda folder: change(
            folder / CONFIG, auto_map={"AutoTokenizer": ["mine.Tokenizer", None]}
        ),
        f"auto_map in {CONFIG} is .*, OpenAI's code is no code of the checkpoint's own",
    ),
    "without any configuration": (
        lambda folder: (folder / "config.json").unlink(),
        "does not say which activation it was trained with",
    ),
}


def template(folder, single):
    """Let a tokenizer put other special tokens around a text."""
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    pieces = [
        {"Sequence": {"id": "A", "type_id": 0}}
        if piece == "$A"
        else {"SpecialToken": {"id": piece, "type_id": 0}}
        for piece in single.split()
    ]
    content["post_processor"]["single"] = pieces
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")


WRONG |= {
    "with a start that is the end": (
        lambda folder: template(folder, "</s> $A </s>"),
        "where no token is at the end alone",
    ),
    "without an end": (
        lambda folder: template(folder, "<s> $A"),
        "tokenizer.json beside it ends texts with token",
    ),
    "with a normalizer that makes the library panic": (
        lambda folder: change(
            folder / "tokenizer.json",
            normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        ),
        r"tokenizer.json cannot be read \(.*\): fetch it again",
    ),
    "with a class that nobody names": (
        lambda folder: change(folder / CONFIG, tokenizer_class=None),
        f"no {CONFIG} beside it names its tokenizer_class",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_together_is_refused(tmp_path, what):
    disturb, message = WRONG[what]
    other_tokens.save(tmp_path)
    disturb(tmp_path)
    with pytest.raises(command.Refusal, match=message) as refusal:
        checkpoints.read(tmp_path, sources.digest(sources.find(tmp_path)))
    assert "\n" not in str(refusal.value)


def test_a_tokenizer_of_more_tokens_than_the_weights_know_is_refused(tmp_path):
    other_tokens.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["model"]["vocab"] += [[f"more {number}", -20.0] for number in range(9)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(command.Refusal, match=re.escape("has 609 tokens, the weights know 605")):
        checkpoints.read(tmp_path, sources.digest(sources.find(tmp_path)))


def test_what_a_tokenizer_does_to_batches_is_not_kept(tmp_path):
    """Somebody's call left it there: texts would be cut, or padded, where they are looked up."""
    _, tokenizer = other_tokens.save(tmp_path / "saved")
    backend = tokenizer.backend_tokenizer
    backend.enable_padding(length=20, pad_id=1, pad_token="<pad>", direction="left")
    backend.enable_truncation(5, direction="left")
    backend.save(str(tmp_path / "saved/tokenizer.json"))
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    kept = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))
    assert kept["padding"] is None and kept["truncation"] is None
    texts = ["a small star", *CAPTIONS]
    found = models.token_ids(checkpoint, texts, architecture.of(checkpoint)).numpy()
    own = tokens.encode(tokens.load(checkpoint / "tokenizer.json", 77), texts)
    assert (found == tokens.pad(own, 0, 77)).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("eos_token", 5, "transformers makes no tokens by its tokenizer_config.json"),
        ("truncation_side", "up", "transformers makes no tokens by its tokenizer_config.json"),
        ("tokenizer_class", "BertTokenizer", "transformers ends 'a red circle' without token 2"),
    ],
)
def test_what_transformers_cannot_use_is_refused(tmp_path, field, value, message):
    other_tokens.save(tmp_path / "saved")
    change(tmp_path / "saved" / CONFIG, **{field: value})
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    with pytest.raises(command.Refusal, match=message) as refusal:
        models.token_ids(checkpoint, CAPTIONS, architecture.of(checkpoint))
    assert "\n" not in str(refusal.value)


def test_other_tokens_than_transformers_makes_are_said(tmp_path, capsys):
    other_tokens.save(tmp_path / "saved")
    change(tmp_path / "saved" / CONFIG, extra_special_tokens=["red"])
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    models.token_ids(checkpoint, CAPTIONS, architecture.of(checkpoint))
    said = capsys.readouterr().out
    assert f"of 1 of {len(CAPTIONS)} texts tokenizer.json makes other tokens" in said
    assert "'a red circle' for instance" in said


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


def test_a_clip_whose_own_tokens_end_as_clips_do(tmp_path):
    """eos_token_id is 49407 there, too, and its vocabulary as large."""
    other_tokens.save(tmp_path, "CLIP")
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["model"]["vocab"] += [[f"more {n}", -20.0] for n in range(600, 49408)]
    last = content["model"]["vocab"][49407][0]
    content["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    end = other_tokens.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    end.post_processor = other_tokens.processors.TemplateProcessing(
        single=f"<s> $A {last.replace(' ', '_')}",
        special_tokens=[("<s>", 0), (last.replace(" ", "_"), 49407)],
    )
    end.save(str(tmp_path / "tokenizer.json"))
    found = tokenizer.own(tmp_path / "model.safetensors")
    assert (found.size, found.end_id) == (49408, 49407)
    sizes = architecture.Architecture(24, text_width=48, vocab_size=49408, textual=Blocks())
    said = network.Network("huggingface", {"text_config": {"eos_token_id": 49407}})
    assert tokenizer.checked(tmp_path, said, sizes, found).textual.end_id == 49407


def test_immich_pads_with_a_token_of_the_tokenizers():
    assert immich.padding(None) == tokens.END
    assert immich.padding({"pad_token": {"content": "<pad>"}, "eos_token": "</s>"}) == "<pad>"
    assert immich.padding({"eos_token": "</s>"}) == "</s>"
