"""Zero-shot classification: labels in prompts, and the matrix that they become."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_onnx import command
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import parity


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities along the last axis."""
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def prompts(labels: Sequence[str], templates: Sequence[str]) -> list[list[str]]:
    """[[label in each template] of each label]."""
    for template in templates:
        if template.count("{}") != 1:
            raise command.Refusal(f"template {template!r} needs {{}} once, where the label goes")
    return [[template.replace("{}", label) for template in templates] for label in labels]


def embed(
    prompts: list[list[str]], textual: Any, tokenizer: Any, context: int
) -> NDArray[np.float32]:
    """float32 [labels, E], unit vectors: the mean of each label's unit embeddings.

    As in section 3.1.4 of the CLIP paper. `textual` is a session of a textual tower that reads
    `context` tokens, `tokenizer` one that cuts nothing. Raises Refusal for a prompt of more tokens,
    as OpenAI's tokenizer does.
    """
    texts = [text for row in prompts for text in row]
    rows = tokens.encode(tokenizer, texts)
    for text, row in zip(texts, rows, strict=True):
        if len(row) > context:
            raise command.Refusal(
                f"{text!r} is {len(row)} tokens, the model reads {context}: shorten the label or"
                " the template"
            )
    batches = (tokens.pad(batch) for batch in sessions.batches(rows))
    embeds = parity.normalized(sessions.run(textual, batches))
    means = embeds.reshape(len(prompts), -1, embeds.shape[-1]).mean(1)
    return parity.normalized(means).astype(np.float32)
