"""How close embeddings are to the reference's: plain numpy, computed in float64."""

import numpy as np

MOST_DB = 200  # far beyond float32


def _rows(array):
    return np.asarray(array, np.float64)


def normalized(embeds):
    embeds = _rows(embeds)
    return embeds / np.linalg.norm(embeds, axis=-1, keepdims=True)


def cosine(reference, embeds):
    """[n] cosine of each row with its reference."""
    return (normalized(reference) * normalized(embeds)).sum(-1)


def snr_db(reference, embeds):
    """Signal to noise of the embeddings in dB, where the signal is what tells inputs apart.

    CLIP's embeddings share a large common part, which raises every cosine; the reference's mean
    is therefore no signal. At most MOST_DB, which equal embeddings get.
    """
    reference, embeds = _rows(reference), _rows(embeds)
    signal = ((reference - reference.mean(0)) ** 2).sum()
    noise = ((embeds - reference) ** 2).sum()
    return float(10 * np.log10(signal / np.maximum(noise, signal / 10 ** (MOST_DB / 10))))


def nearest(embeds, others):
    """[n] the row of `others` that is most alike each row of `embeds`: zero-shot's choice."""
    return (normalized(embeds) @ normalized(others).T).argmax(-1)


def agreement(reference, embeds, others):
    """The share of rows that choose the same one of `others` as their reference does."""
    return float((nearest(reference, others) == nearest(embeds, others)).mean())


def measure(reference, runs, others):
    """The metrics of one file, each the worst over `runs`, embeddings of the same inputs.

    `others` are the other tower's reference embeddings. `inputs` is how many rows were measured.
    """
    cosines = np.min([cosine(reference, embeds) for embeds in runs], axis=0)
    return {
        "inputs": len(cosines),
        "cosine_min": float(cosines.min()),
        "cosine_mean": float(cosines.mean()),
        "snr_db": min(snr_db(reference, embeds) for embeds in runs),
        "top1_agreement": min(agreement(reference, embeds, others) for embeds in runs),
    }


def control(reference):
    """What `measure` says of embeddings that belong to another input: every floor must fail it."""
    shifted = np.roll(_rows(reference), 1, axis=0)
    return {
        "cosine_min": float(cosine(reference, shifted).min()),
        "cosine_mean": float(cosine(reference, shifted).mean()),
        "snr_db": snr_db(reference, shifted),
    }
