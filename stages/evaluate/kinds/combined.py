"""CLIP.forward: both embeddings, of which the worse of each figure counts, and the logits.

`logits_error` is the largest difference of any logit.
"""

import numpy as np

from clip_onnx.checkpoint import weights
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import parity
from stages.evaluate.results import Found, cosines

SUMMED = "inputs"  # all other figures are the worse one
OUTPUTS = ["logits_per_image", "logits_per_text", "image_embeds", "text_embeds"]


def measure(file, truth, given):
    units = parity.normalized(truth.image_embeds), parity.normalized(truth.text_embeds)
    logits = weights.logit_scale(given.checkpoint) * units[0] @ units[1].T
    runs, errors = [], []
    for turns in batch_counts(*map(len, units)):
        embeds, error = run(file.session, truth, logits, turns)
        runs.append(embeds)
        errors.append(error)
    metrics = worst(
        parity.measure(own, [run[place] for run in runs], units[1 - place])
        for place, own in enumerate(units)
    )
    control = worst(parity.control(own) for own in units)
    each = [
        cosine
        for place, own in enumerate(units)
        for cosine in cosines(own, [run[place] for run in runs])
    ]
    return Found(metrics | {"logits_error": float(np.max(errors))}, {}, control, each)


def run(session, truth, logits, turns):
    """([image_embeds, text_embeds], the largest error of a logit) of all inputs in some turns."""
    sides, error = ([], []), 0.0
    for some, others in pairs(*logits.shape, turns):
        pixels = truth.pixels([truth.rows[number] for number in some])
        found = session.run(OUTPUTS, sessions.named(session, pixels, captions(truth, others)))
        truths = logits[np.ix_(some, others)]
        error = np.max([error, *(np.abs(a - truths).max() for a in (found[0], found[1].T))])
        for side, part in zip(sides, found[2:], strict=True):
            side.append(part)
    return [np.concatenate(side) for side in sides], error


def captions(truth, numbers):
    """Token ids, padded with 0 to the longest of them."""
    return tokens.pad([truth.token_rows[number] for number in numbers])


def batch_counts(pictures, texts):
    """Into how many batches both are cut: as many as can be, and few."""
    most = min(pictures, texts)
    return most, -(-most // sessions.BATCH)


def pairs(pictures, texts, turns):
    """The numbers of all pictures and of all texts, a batch of each a turn."""
    return zip(
        np.array_split(np.arange(pictures), turns),
        np.array_split(np.arange(texts), turns),
        strict=True,
    )


def worst(found):
    found = list(found)
    return {
        name: (sum if name == SUMMED else parity.worst)(one[name] for one in found)
        for name in found[0]
    }
