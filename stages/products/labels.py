"""A classifier's labels and prompts, and the matrix that they become."""

from pathlib import Path

import numpy as np

from stages import command, parity, runtime, tokens
from stages.params import LABELS


def read(labels):
    """The list itself, or the lines of the file of stages/labels that is named."""
    if isinstance(labels, str):
        path = LABELS / Path(labels).name  # nowhere else: DVC watches this folder
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            held = ", ".join(sorted(file.name for file in LABELS.glob("*"))) or "nothing"
            raise command.Refusal(
                f"{path} is no readable UTF-8 text, {LABELS} holds: {held}; labels are a list or a"
                " file there"
            ) from None
        labels = [line.strip() for line in text.splitlines() if line.strip()]
    if len(labels) < 2:
        raise command.Refusal(f"a classifier needs two labels or more, not {labels}")
    for label in labels:
        if labels.count(label) > 1 or not label.strip():
            raise command.Refusal(f"label {label!r} is empty or stands twice: remove it")
    return list(labels)


def prompts(labels, templates):
    """[[label in each template] of each label]."""
    for template in templates:
        if template.count("{}") != 1:
            raise command.Refusal(f"template {template!r} needs {{}} once, where the label goes")
    return [[template.replace("{}", label) for template in templates] for label in labels]


def embed(prompts, textual, tokenizer):
    """float32 [labels, E], unit vectors: the mean of each label's unit embeddings.

    As in section 3.1.4 of the CLIP paper. `textual` is a session of a textual tower. Raises
    Refusal for a prompt of more than 77 tokens, as OpenAI's tokenizer does.
    """
    tokenizer.no_truncation()
    texts = [text for row in prompts for text in row]
    rows = tokens.encode(tokenizer, texts)
    for text, row in zip(texts, rows, strict=True):
        if len(row) > tokens.CONTEXT:
            raise command.Refusal(f"{text!r} is {len(row)} tokens, CLIP reads {tokens.CONTEXT}")
    batches = (tokens.pad(batch) for batch in runtime.batches(rows))
    embeds = parity.normalized(runtime.run(textual, batches))
    means = embeds.reshape(len(prompts), -1, embeds.shape[-1]).mean(1)
    return parity.normalized(means).astype(np.float32)
