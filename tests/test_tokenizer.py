"""What is read of a tokenizer beside weights, and which of them are refused."""

import json
import re

import networks
import other_tokens
import pytest

from clip_onnx import command
from clip_onnx.checkpoint import architecture, network
from clip_onnx.checkpoint.network import Blocks
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import parity
from clip_onnx.openai import models
from stages.download import checkpoints, sources, tokenizer


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
    "with a tokenizer of no words": (
        lambda folder: change(folder / "tokenizer.json", model={}),
        r"tokenizer.json cannot be read \(.*\): fetch it again",
    ),
    "without a word about its texts": (
        lambda folder: change(folder / "config.json", text_config=None),
        "vocab_size in text_config of config.json is absent, which means 49408, .* which say 605",
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
    texts = ["a small star", *other_tokens.CAPTIONS]
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
        models.token_ids(checkpoint, other_tokens.CAPTIONS, architecture.of(checkpoint))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("listed", [False, True])
def test_special_tokens_of_older_versions_are_kept(tmp_path, listed):
    """They stand beside tokenizer_config.json, which does not list tokens that were added."""
    import transformers

    other_tokens.save(tmp_path / "saved")
    file = tmp_path / "saved" / CONFIG
    content = json.loads(file.read_text("utf-8"))
    named = {name: content.pop(name) for name in [*content] if name.endswith("_token")}
    named["pad_token"] = {"content": "<pad>", "lstrip": True, "rstrip": False}
    named |= {"pad_token": named["pad_token"] | {"normalized": False, "single_word": False}}
    content |= {"added_tokens_decoder": {}} if listed else {}
    file.write_text(json.dumps(content), "utf-8")
    (tmp_path / "saved/special_tokens_map.json").write_text(json.dumps(named), "utf-8")
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    assert not (checkpoint / "special_tokens_map.json").exists()
    theirs, kept = map(transformers.AutoTokenizer.from_pretrained, (tmp_path / "saved", checkpoint))
    assert kept.special_tokens_map == theirs.special_tokens_map
    assert bool(kept.special_tokens_map) is not listed
    if not listed:
        texts = ["a red circle", "a"]
        assert kept(texts, padding=True).input_ids == theirs(texts, padding=True).input_ids


def test_a_clip_whose_highest_token_ends_texts(tmp_path):
    """eos_token_id is 2 there, as transformers once wrote it of all CLIPs."""
    import transformers

    other_tokens.save(tmp_path, "CLIP")
    text_config(tmp_path, eos_token_id=2)
    fast = other_tokens.tokenizer()
    last = fast.get_vocab_size() - 1
    word = fast.id_to_token(last)
    fast.post_processor = other_tokens.processors.TemplateProcessing(
        single=f"<s> $A {word}", special_tokens=[("<s>", 0), (word, last)]
    )
    fast.save(str(tmp_path / "tokenizer.json"))
    checkpoint = networks.store(tmp_path, tmp_path / "checkpoint")
    sizes = architecture.of(checkpoint)
    assert sizes.textual.end_id == last
    ids = models.token_ids(checkpoint, other_tokens.CAPTIONS, sizes).long()
    package = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    theirs = networks.own(package, networks.inputs() | {"textual": ids})["textual"]
    reference = models.embed(checkpoint, "textual", [ids]).numpy()
    built = networks.export(checkpoint, tmp_path / "built")["textual"]
    for embeds in (reference, sessions.run(sessions.session(built), [ids.numpy()])):
        assert parity.cosine(theirs, embeds).min() > 0.9999999
    text_config(tmp_path, eos_token_id=3)
    with pytest.raises(command.Refusal, match=f"ends texts with token {last}, eos_token_id in"):
        checkpoints.read(tmp_path, sources.digest(sources.find(tmp_path)))


def test_other_tokens_than_transformers_makes_are_said(tmp_path, capsys):
    other_tokens.save(tmp_path / "saved")
    change(tmp_path / "saved" / CONFIG, extra_special_tokens=["red"])
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    models.token_ids(checkpoint, other_tokens.CAPTIONS, architecture.of(checkpoint))
    said = capsys.readouterr().out
    assert f"of 1 of {len(other_tokens.CAPTIONS)} texts tokenizer.json makes other tokens" in said
    assert "'a red circle' for instance" in said


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
