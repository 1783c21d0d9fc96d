"""Whose tokens a checkpoint reads: CLIP's, or those of the tokenizer.json beside its weights.

Other tokens than CLIP's are transformers' affair: its code makes them of the same two files, which
are kept with the checkpoint and travel in its bundle.
"""

import contextlib
import dataclasses
import json
import shutil
from typing import NamedTuple

from clip_onnx import command, openai
from clip_onnx.checkpoint.network import HUGGING_FACE
from clip_onnx.host import tokens
from stages.download import described, hugging_face, rules
from stages.download.rules import only

VOCABULARY_FILE, MAP_FILE = "vocab.json", "special_tokens_map.json"
CLIPS = {  # of tokenizer_config.json, where the tokens are CLIP's
    "tokenizer_class": only(
        "CLIPTokenizer",
        "CLIPTokenizerFast",
        "PreTrainedTokenizerFast",  # of any tokenizer.json, whose tokens are compared
        "TokenizersBackend",
        None,
        openai="has the tokens of {}",
    ),
    "do_lower_case": only(True, openai="reads lower case"),
}
OTHERS = {"auto_map": only(None, {}, openai="is no code of the checkpoint's own")}
FOR_A_BATCH = dict.fromkeys(("padding", "truncation"))  # of tokenizer.json, as somebody left them
TEXT = "a photo of a cat"
SAMPLES = (TEXT, "3 RED Circles,  it's naïve!", "Große 一个 круг #42_x")  # that rules are tried on


class Own(NamedTuple):
    """A tokenizer that is not CLIP's."""

    settings: dict  # tokenizer_config.json, and what it leaves to special_tokens_map.json
    size: int  # of its vocabulary
    end_id: int  # of the token that ends a text


def own(path):
    """The Own tokenizer beside weights; None where it is CLIP's, or none is there."""
    settings, file = _settings(path), described.beside(path, tokens.FILE)
    content, vocabulary, config = (
        described.read(described.beside(path, name))
        for name in (tokens.FILE, VOCABULARY_FILE, hugging_face.FILE)
    )
    model = described.section(content, "model", tokens.FILE) or {}
    theirs = tokens.from_bpe(openai.BPE)
    clips = theirs.get_vocab()
    if content and (model.get("vocab") != clips or _added(content) - clips.keys()):
        if model.get("dropout"):
            raise command.Refusal(f"{file} splits words by chance: set its dropout to null")
        return Own(settings, *_read(file))
    if content:
        _check_rules(file, model, theirs)
    rules.check(path, settings, CLIPS, None, tokens.CONFIG_FILE)
    of_class = {"tokenizer_class": CLIPS["tokenizer_class"]}
    rules.check(path, config, of_class, None, hugging_face.FILE)
    if vocabulary not in ({}, clips):
        raise command.Refusal(
            f"{path} is another network, which this project does not build: the tokens of"
            f" {VOCABULARY_FILE} beside it are not those of OpenAI's code; put its {tokens.FILE}"
            " there, if it has one"
        )
    return None


def _settings(path):
    """tokenizer_config.json as transformers reads it: with the special tokens that older versions
    put beside it, which count for more unless it lists the tokens that were added."""
    found = described.read(described.beside(path, tokens.CONFIG_FILE))
    if "added_tokens_decoder" in found:
        return found
    named = described.read(described.beside(path, MAP_FILE))
    typed = {"__type": "AddedToken"}  # by which transformers tells a token from a table
    return found | {
        name: value | typed if isinstance(value, dict) else value for name, value in named.items()
    }


def _check_rules(file, model, theirs):
    """Refuse a tokenizer.json of CLIP's words that makes other tokens of texts than CLIP's does."""
    merges = json.loads(theirs.to_str())["model"]["merges"]
    pairs = rows = None
    with contextlib.suppress(Exception):  # the library raises nothing more special
        rows = _encoded(tokens.load(file, context=None))
        pairs = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    if pairs != merges or rows != _encoded(theirs):
        raise command.Refusal(
            f"{file} has the words of CLIP's tokenizer and makes other tokens of texts: remove it"
            " if the model reads CLIP's tokens"
        )


def _encoded(tokenizer):
    """The ids of SAMPLES, which are not cleaned first: so read others a tokenizer.json."""
    return [row.ids for row in tokenizer.encode_batch([*SAMPLES])]


def _added(content):
    """The tokens that a tokenizer.json has besides its model's."""
    found = content.get("added_tokens")
    found = found if isinstance(found, list) else []
    return {
        str(token["content"]) for token in found if isinstance(token, dict) and "content" in token
    }


def _read(file):
    """(how many tokens a tokenizer.json has, the id that ends a text)."""
    try:
        tokenizer = tokens.load(file, context=None)
        (row,) = tokens.encode(tokenizer, [TEXT])
        size = max(tokenizer.get_vocab().values()) + 1
    except Exception as error:  # the library raises nothing more special
        raise command.Refusal(
            f"{file} cannot be read ({command.first_line(error)}): fetch it again"
        ) from None
    if tokens.is_clips(tokenizer):
        raise command.Refusal(
            f"{file} has CLIP's end token and other tokens than CLIP's, which this project does not"
            " build: take a tokenizer that is either"
        )
    if len(row) < 2 or row.index(row[-1]) < len(row) - 1:
        raise command.Refusal(
            f"{file} makes {row} of {TEXT!r}, where no token is at the end alone: what a text's"
            " embedding is would not be known"
        )
    return size, row[-1]


def check_size(path, sizes, own):
    """Refuse weights of other tokens than CLIP's without a tokenizer. A tokenizer that is CLIP's
    says that more rows than it has tokens are spare."""
    said = described.beside(path, tokens.FILE).exists() and sizes.vocab_size > tokens.SIZE
    if own is None and sizes.vocab_size != tokens.SIZE and not said:
        raise command.Refusal(
            f"{path} knows {sizes.vocab_size} tokens, CLIP {tokens.SIZE}: put its {tokens.FILE} and"
            f" {tokens.CONFIG_FILE} beside it"
        )


def checked(path, network, sizes, own):
    """The Network of a checkpoint with the end of its texts.

    Refuses one whose texts do not end as its tokenizer ends them, and other tokens than CLIP's of
    what is not transformers'.
    """
    end_id, place = network.textual.end_id, f"text_config of {hugging_face.FILE}"
    if own is None and end_id is not None:
        openai = f"takes the embedding at {tokens.END_ID}; other tokens need their {tokens.FILE}"
        raise rules.refusal(path, f"eos_token_id in {place}", end_id, openai)
    if own is None:
        return network
    if network.family != HUGGING_FACE:
        raise command.Refusal(
            f"{path} is another network, which this project does not build: the tokens of"
            f" {tokens.FILE} beside it are not those of OpenAI's code, and others are read of"
            " transformers' models alone"
        )
    said = network.configuration.get("text_config", {}).get("eos_token_id", tokens.END_ID)
    highest = said == 2 != end_id
    if own.end_id != (own.size - 1 if highest else said if said == tokens.END_ID else end_id):
        as_highest = ", which transformers takes as the highest" if highest else ""
        raise command.Refusal(
            f"{path}: {tokens.FILE} beside it ends texts with token {own.end_id}, eos_token_id in"
            f" {place} is {said}{as_highest}: correct the one that is wrong"
        )
    if own.size > sizes.vocab_size:
        raise command.Refusal(
            f"{path}: {tokens.FILE} beside it has {own.size} tokens, the weights know"
            f" {sizes.vocab_size}: put the one there that belongs to them"
        )
    if not isinstance(own.settings.get("tokenizer_class"), str):
        raise command.Refusal(
            f"{path} has a tokenizer of its own, and no {tokens.CONFIG_FILE} beside it names its"
            " tokenizer_class, by which transformers loads it: put that file there"
        )
    rules.check(path, own.settings, OTHERS, None, tokens.CONFIG_FILE)
    return network._replace(textual=dataclasses.replace(network.textual, end_id=own.end_id))


def keep(path, network, directory):
    """Store the tokenizer of a checkpoint beside its weights in data/checkpoints: another's than
    CLIP's as it is, but for what it does to batches, which clients say by themselves."""
    if network.textual.end_id is None:
        tokens.from_bpe(openai.BPE).save(str(directory / tokens.FILE))
        return
    content = described.read(described.beside(path, tokens.FILE))
    settings = described.read(described.beside(path, tokens.CONFIG_FILE))
    if any(content.get(name) for name in FOR_A_BATCH):
        _write(directory / tokens.FILE, content | FOR_A_BATCH)
    else:
        shutil.copyfile(described.beside(path, tokens.FILE), directory / tokens.FILE)
    if settings != _settings(path):
        _write(directory / tokens.CONFIG_FILE, _settings(path))
    else:
        shutil.copyfile(described.beside(path, tokens.CONFIG_FILE), directory / tokens.CONFIG_FILE)


def _write(file, content):
    file.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False), "utf-8")
