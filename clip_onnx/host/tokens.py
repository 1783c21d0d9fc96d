"""CLIP's tokenizer without torch: `tokenizer.json` for the `tokenizers` package, or another's.

What OpenAI's code does to a text before its byte-pair encoding cannot all be said in
`tokenizer.json`; `clean` is that part. With it the ids equal OpenAI's. Clients that read the
file without it differ where ftfy repairs a text (curly quotes, ligatures, full-width forms),
where HTML entities stand, and at a Greek final sigma.

A checkpoint with other tokens brings its own file, which says all that is done to a text.
"""

import gzip
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

from clip_onnx.command import first_line
from clip_onnx.names import TOKENIZER

CONTEXT = 77  # tokens that OpenAI's models read
FILE, CONFIG_FILE = TOKENIZER, "tokenizer_config.json"
START, END = "<|startoftext|>", "<|endoftext|>"
START_ID, END_ID = 49406, 49407
SIZE = 49408  # of CLIP's vocabulary
MERGES = 49152 - 256 - 2  # of the file's lines, as clip/simple_tokenizer.py cuts them
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clean(text: str) -> str:
    """The text that OpenAI's code encodes: mojibake repaired, entities resolved, lower case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


def _byte_symbols() -> list[str]:
    """GPT-2's printable character for each byte, in the order in which CLIP numbers them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(others))]


def from_bpe(path: str | Path) -> Tokenizer:
    """The `tokenizers.Tokenizer` of CLIP's `bpe_simple_vocab_16e6.txt.gz`."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : MERGES + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    symbols = _byte_symbols()
    words = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges), START, END]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=END,
            end_of_word_suffix="</w>",
            continuing_subword_prefix="",
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=(END, vocabulary[END]),
        cls_token=(START, vocabulary[START]),
        trim_offsets=False,
        add_prefix_space=False,
    )
    tokenizer.add_special_tokens([START, END])
    return tokenizer


def load(path: str | Path, context: int | None) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, which cuts texts to `context` tokens, if that is given,
    as OpenAI's does: the last token is EOT. It pads none. Raises ValueError where it is broken."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except BaseException as error:  # the library's own, or a panic, which is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise ValueError(first_line(error)) from None
    tokenizer.no_padding()
    if context:
        tokenizer.enable_truncation(context)
    else:
        tokenizer.no_truncation()
    return tokenizer


def configuration(checkpoint: str | Path) -> dict[str, Any] | None:
    """The tokenizer_config.json of data/checkpoints/MODEL, where its tokens are not CLIP's."""
    file = Path(checkpoint) / CONFIG_FILE
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def is_clips(tokenizer: Tokenizer) -> bool:
    """Whether its tokens are CLIP's, by the one that ends a text."""
    return tokenizer.token_to_id(END) == END_ID


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, unpadded: a list of lists. Texts in CLIP's tokens are cleaned."""
    if is_clips(tokenizer):
        texts = [clean(text) for text in texts]
    return [row.ids for row in tokenizer.encode_batch([*texts])]


def pad(
    rows: Sequence[Sequence[int]], value: int = 0, length: int | None = None
) -> NDArray[np.int64]:
    """int64 [n, length] (or the longest row's); OpenAI pads with 0, Hugging Face with EOT."""
    padded = np.full((len(rows), length or max(map(len, rows), default=0)), value, np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded
