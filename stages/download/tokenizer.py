"""Whose tokens a checkpoint reads: CLIP's, or those of the tokenizer.json beside its weights.

Other tokens than CLIP's are transformers' affair: its code makes them of the same two files, which
are kept with the checkpoint and travel in its bundle.
"""

import dataclasses
import json
import shutil
from typing import NamedTuple

from clip_onnx import command, openai
from clip_onnx.checkpoint.network import HUGGING_FACE
from clip_onnx.host import tokens
from stages.download import described, hugging_face, rules
from stages.download.rules import only

VOCABULARY_FILE = "vocab.json"
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


class Own(NamedTuple):
    """A tokenizer that is not CLIP's."""

    settings: dict  # tokenizer_config.json
    size: int  # of its vocabulary
    end_id: int  # of the token that ends a text


def own(path):
    """The Own tokenizer beside weights; None where it is CLIP's, or none is there."""
    names = (tokens.CONFIG_FILE, tokens.FILE, VOCABULARY_FILE, hugging_face.FILE)
    places = [described.beside(path, name) for name in names]
    settings, content, vocabulary, config = map(described.read, places)
    model = described.section(content, "model", tokens.FILE) or {}
    clips = tokens.from_bpe(openai.BPE).get_vocab()
    if content and (model.get("vocab") != clips or _added(content) - clips.keys()):
        if model.get("dropout"):
            raise command.Refusal(f"{places[1]} splits words by chance: set its dropout to null")
        return Own(settings, *_read(places[1]))
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
    """Refuse weights of other tokens than CLIP's without a tokenizer."""
    if own is None and sizes.vocab_size != tokens.SIZE:
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
    if own.end_id != (said if said == tokens.END_ID else end_id):
        as_highest = ", which transformers takes as the highest" if said == 2 != end_id else ""
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
    file = described.beside(path, tokens.FILE)
    content = json.loads(file.read_text("utf-8"))
    if any(content.get(name) for name in FOR_A_BATCH):
        text = json.dumps(content | FOR_A_BATCH, ensure_ascii=False, allow_nan=False)
        (directory / tokens.FILE).write_text(text, "utf-8")
    else:
        shutil.copyfile(file, directory / tokens.FILE)
    shutil.copyfile(described.beside(path, tokens.CONFIG_FILE), directory / tokens.CONFIG_FILE)
