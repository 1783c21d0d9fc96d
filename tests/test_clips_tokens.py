"""A tokenizer beside weights is CLIP's where its words and its rules are."""

import dataclasses
import json

import pytest
from configurations import CONFIG, VIT, changed, check, refusal

from clip_onnx import openai
from clip_onnx.host import tokens


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
