"""What weights do not say: the activation, the pooling, the tokenizer. Files beside them do.

A checkpoint whose configuration contradicts OpenAI's code is refused, for its reference would be
as wrong as what is built.
"""

from clip_onnx import command, openai
from clip_onnx.host import tokens
from stages.download import described, hugging_face, open_clip, rules
from stages.download.rules import only

QUICK_GELU = "quick_gelu"
TOKENIZER = {
    "tokenizer_class": hugging_face.TOKENIZER_CLASS,
    "do_lower_case": only(True, openai="reads lower case"),
}


def check(path, sizes, stated):
    """Refuse a checkpoint whose network is not known to be OpenAI's.

    `stated` is its `activation` in params.yaml, for a file without a configuration beside it.
    """
    said = [describes.check(path, sizes) for describes in (hugging_face, open_clip)]
    if "textual" in sizes.towers:
        _check_tokenizer(path)
    if stated and stated != QUICK_GELU:
        raise rules.refusal(path, "activation in params.yaml", stated, f"computes {QUICK_GELU}")
    if not stated and not any(said):
        raise command.Refusal(
            f"{path} does not say which activation it was trained with: add `activation:"
            f" {QUICK_GELU}` to it in params.yaml if it is OpenAI's (open_clip's names of such"
            " models end in -quickgelu), or put its config.json beside it"
        )


def _check_tokenizer(path):
    settings, tokenizer, vocabulary = (
        described.read(described.beside(path, name))
        for name in ("tokenizer_config.json", "tokenizer.json", "vocab.json")
    )
    rules.check(path, settings, TOKENIZER, None, "tokenizer_config.json")
    model = described.section(tokenizer, "model", "tokenizer.json") or {}
    vocabularies = {"tokenizer.json": model.get("vocab"), "vocab.json": vocabulary or None}
    for name, vocabulary in vocabularies.items():
        if vocabulary is not None and vocabulary != tokens.from_bpe(openai.BPE).get_vocab():
            raise command.Refusal(
                f"{path} is another network, which this project does not build: the tokens of"
                f" {name} beside it are not those of OpenAI's code"
            )
