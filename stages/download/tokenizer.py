"""Whose tokens a checkpoint reads: CLIP's, or those of the tokenizer.json beside its weights.

Other tokens than CLIP's are transformers' affair: its code makes them of the same two files, which
are kept with the checkpoint and travel in its bundle.
"""

import shutil
from typing import NamedTuple

from clip_onnx import command, openai
from clip_onnx.host import tokens
from stages.download import described, hugging_face, rules
from stages.download.rules import only

VOCABULARY_FILE = "vocab.json"
CLIPS = {  # of tokenizer_config.json, where the tokens are CLIP's
    "tokenizer_class": hugging_face.TOKENIZER_CLASS,
    "do_lower_case": only(True, openai="reads lower case"),
}
OTHERS = {"auto_map": only(None, {}, openai="is no code of the checkpoint's own")}
TEXT = "a photo of a cat"


class Own(NamedTuple):
    """A tokenizer that is not CLIP's."""

    settings: dict  # tokenizer_config.json
    size: int  # of its vocabulary
    end_id: int  # of the token that ends a text


def own(path):
    """The Own tokenizer beside weights; None where it is CLIP's, or none is there."""
    settings, content, vocabulary = (
        described.read(described.beside(path, name))
        for name in (tokens.CONFIG_FILE, tokens.FILE, VOCABULARY_FILE)
    )
    model = described.section(content, "model", tokens.FILE) or {}
    clips = tokens.from_bpe(openai.BPE).get_vocab()
    if model.get("vocab") not in (None, clips):
        return Own(settings, *_read(described.beside(path, tokens.FILE)))
    rules.check(path, settings, CLIPS, None, tokens.CONFIG_FILE)
    if vocabulary not in ({}, clips):
        raise command.Refusal(
            f"{path} is another network, which this project does not build: the tokens of"
            f" {VOCABULARY_FILE} beside it are not those of OpenAI's code; put its {tokens.FILE}"
            " there, if it has one"
        )
    return None


def _read(file):
    """(how many tokens a tokenizer.json has, the id that ends a text)."""
    try:
        tokenizer = tokens.load(file, context=None)
        (row,) = tokens.encode(tokenizer, [TEXT])
        return max(tokenizer.get_vocab().values()) + 1, row[-1]
    except Exception as error:  # the library raises nothing more special
        raise command.Refusal(
            f"{file} cannot be read ({command.first_line(error)}): fetch it again"
        ) from None


def check(path, network, sizes, own):
    """Refuse a network whose texts do not end as its tokenizer ends them, or that has other tokens
    and is not transformers'."""
    end_id, place = network.textual.end_id, f"text_config of {hugging_face.FILE}"
    if own is None and end_id is not None:
        openai = f"takes the embedding at {tokens.END_ID}; other tokens need their {tokens.FILE}"
        raise rules.refusal(path, f"eos_token_id in {place}", end_id, openai)
    if own is None and sizes.vocab_size != tokens.SIZE:
        raise command.Refusal(
            f"{path} knows {sizes.vocab_size} tokens, CLIP {tokens.SIZE}: put its {tokens.FILE} and"
            f" {tokens.CONFIG_FILE} beside it"
        )
    if own is None:
        return
    if end_id is None:
        raise command.Refusal(
            f"{path} is another network, which this project does not build: the tokens of"
            f" {tokens.FILE} beside it are not those of OpenAI's code, and others are read of"
            f" transformers' models alone, where eos_token_id in {place} is their last one"
        )
    if own.end_id != end_id:
        raise command.Refusal(
            f"{path}: {tokens.FILE} beside it ends texts with token {own.end_id}, eos_token_id in"
            f" {place} is {end_id}: correct the one that is wrong"
        )
    if own.size > sizes.vocab_size:
        raise command.Refusal(
            f"{path}: {tokens.FILE} beside it has {own.size} tokens, the weights know"
            f" {sizes.vocab_size}: put the one there that belongs to them"
        )
    if not own.settings:
        raise command.Refusal(
            f"{path} has a tokenizer of its own and no {tokens.CONFIG_FILE}, without which"
            " transformers does not load it: put it beside the weights"
        )
    rules.check(path, own.settings, OTHERS, None, tokens.CONFIG_FILE)


def keep(path, network, directory):
    """Store the tokenizer of a checkpoint beside its weights in data/checkpoints."""
    if network.textual.end_id is None:
        tokens.from_bpe(openai.BPE).save(str(directory / tokens.FILE))
        return
    for name in (tokens.FILE, tokens.CONFIG_FILE):
        shutil.copyfile(described.beside(path, name), directory / name)
