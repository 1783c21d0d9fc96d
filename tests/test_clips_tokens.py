"""A tokenizer beside weights is CLIP's where its words and its rules are."""

import dataclasses
import json

import networks
import pytest
from configurations import CONFIG, VIT, changed, check, refusal

from clip_onnx import graphs, openai
from clip_onnx.host import tokens
from clip_onnx.measure import parity
from clip_onnx.openai import models
from clip_onnx.settings import params
from stages.encode.schemes import weight_only


def test_other_tokens_are_refused(tmp_path):
    tokenizer = tokens.from_bpe(openai.BPE)
    right = json.loads(tokenizer.to_str())
    check(tmp_path, {"tokenizer.json": right, "config.json": CONFIG})
    check(tmp_path, {"vocab.json": tokenizer.get_vocab()})
    vocabulary = right["model"]["vocab"]
    vocabulary["a</w>"], vocabulary["b</w>"] = vocabulary["b</w>"], vocabulary["a</w>"]
    assert "CLIP's end token and other tokens" in refusal(tmp_path, {"tokenizer.json": right})
    (tmp_path / "tokenizer.json").unlink()
    settings = {"do_lower_case": False}
    message = refusal(tmp_path, {"tokenizer_config.json": settings})
    assert "do_lower_case in tokenizer_config.json is false, OpenAI's code reads lower" in message


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(normalizer={"type": "NFC"}),
        lambda content: content.update(post_processor=None),
        lambda content: content["model"].update(merges=content["model"]["merges"][:1000]),
        lambda content: content.update(pre_tokenizer={"type": "None"}),
    ],
    ids=["capitals", "no ends", "fewer merges", "broken"],
)
def test_clips_words_by_other_rules_are_refused(tmp_path, change):
    content = json.loads(tokens.from_bpe(openai.BPE).to_str())
    change(content)
    message = refusal(tmp_path, {"tokenizer.json": content, "config.json": CONFIG})
    assert "tokenizer.json has the words of CLIP's tokenizer and makes other tokens" in message


def test_merges_as_older_versions_write_them_pass(tmp_path):
    content = json.loads(tokens.from_bpe(openai.BPE).to_str())
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    check(tmp_path, {"tokenizer.json": content, "config.json": CONFIG})


def test_spare_rows_of_the_token_table_are_of_a_tokenizer_that_is_clips(tmp_path):
    sizes = dataclasses.replace(VIT, vocab_size=49416)
    content = changed(CONFIG, "text_config.vocab_size", 49416)
    assert "knows 49416 tokens, CLIP 49408" in refusal(tmp_path, {"config.json": content}, sizes)
    tokenizer = tokens.from_bpe(openai.BPE).to_str().encode()
    check(tmp_path, {"tokenizer.json": tokenizer}, sizes)
    fewer = dataclasses.replace(VIT, vocab_size=49400)
    content = changed(CONFIG, "text_config.vocab_size", 49400)
    assert "knows 49400 tokens, CLIP 49408" in refusal(tmp_path, {"config.json": content}, fewer)


def test_graphs_of_a_table_with_spare_rows_are_what_its_package_computes(tmp_path):
    """int4w rounds the spare rows, too."""
    saved, text = tmp_path / "saved", networks.HUGGING_FACE["text_config"]
    config = networks.HUGGING_FACE | {"text_config": text | {"vocab_size": 49416}}
    model = networks.save_hugging_face(config, saved)
    tokens.from_bpe(openai.BPE).save(str(saved / tokens.FILE))
    checkpoint = networks.store(saved, tmp_path / "checkpoint")
    given = networks.inputs()
    expected, built = networks.own(model, given), networks.export(checkpoint, tmp_path)
    reference = models.embed(checkpoint, "textual", [given["textual"]]).numpy()
    assert parity.cosine(expected["textual"], reference).min() > 0.9999999
    encoded, graph = tmp_path / "int4w", graphs.load(built["textual"])
    assert 49416 in {value.shape[0] for value in graph.graph.initializers.values() if value.shape}
    weight_only.encode(graph, params.load().encodings["int4w"])
    encoded.mkdir()
    graphs.save(graph, encoded)
    for directory, least in ((built["textual"], 0.9999999), (encoded, 0.9)):
        for embeds in networks.embeddings(directory, "textual", given["textual"]):
            assert parity.cosine(reference, embeds).min() > least
