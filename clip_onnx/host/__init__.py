"""What a host computes around a textual tower: numpy here, a few loops in any other language.

    text: eot       text_embeds = run(input_ids)
    text: one-hot   text_embeds = run(input_ids, eot_onehot(input_ids))
    text: tokens    text_embeds = project(run(input_ids), input_ids, text_projection)

`text` is in the model's metadata_props (eot where it is not), text_projection.npy beside the model.
A text ends at its first `end_id`, where `preprocessing` of metadata_props has one; CLIP's tokens
have none, for there the end token's id is the highest.
Ids stay integers all the way: half precision has one number for the start token and the end token.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_HOT, HIDDEN = "eot_onehot", "last_hidden_state"


def fit(rows: Sequence[Sequence[int]] | NDArray[Any], length: int) -> NDArray[np.int64]:
    """int64 [n, length] of the token ids of n texts, for towers of a fixed length.

    A row is the start token, the text's, the end token, then zeros. One that is too long loses
    the last of the text's tokens, never the end token.
    """
    fitted = np.zeros((len(rows), length), np.int64)
    for target, row in zip(fitted, rows, strict=True):
        kept = row if len(row) <= length else [*row[: length - 1], row[-1]]
        target[: len(kept)] = kept
    return fitted


def eot_positions(input_ids: ArrayLike, end_id: int | None = None) -> NDArray[np.intp]:
    """[n] where each row [n, length] ends: the first place of its highest id, or of `end_id`, which
    has to be in each.

    In C: at = 0; for (i = 1; i < length; i++) if (ids[i] > ids[at]) at = i;
    Or:   at = 0; while (ids[at] != end_id) at++;
    """
    ids = np.asarray(input_ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"token ids are integers, not {ids.dtype}")
    if end_id is not None:
        ids = np.equal(ids, end_id)
        if not ids.any(-1).all():
            raise ValueError(f"a row of tokens has no {end_id}, which ends a text")
    return ids.argmax(-1) if len(ids) else np.zeros(0, np.intp)


def eot_onehot(input_ids: ArrayLike, end_id: int | None = None) -> NDArray[np.float32]:
    """float32 [n, length]: 1 at each row's end token, 0 elsewhere."""
    marks = np.zeros(np.shape(input_ids), np.float32)
    marks[np.arange(len(marks)), eot_positions(input_ids, end_id)] = 1
    return marks


def project(
    last_hidden_state: NDArray[Any],
    input_ids: ArrayLike,
    text_projection: NDArray[Any],
    end_id: int | None = None,
) -> NDArray[Any]:
    """text_embeds float32 [n, E] of hidden states [n, length, width].

    A row's embedding is the hidden state at its end token, times text_projection [width, E]:
    out[e] = Σ_w hidden[at][w] · projection[w][e].
    """
    rows = np.arange(len(last_hidden_state))
    return last_hidden_state[rows, eot_positions(input_ids, end_id)] @ text_projection


def normalize(embeds: NDArray[Any]) -> NDArray[Any]:
    """Each row divided by its length, as cosines need it; `normalized` towers have done it."""
    return embeds / np.linalg.norm(embeds, axis=-1, keepdims=True)
