"""How close embeddings are to the reference's: plain numpy, computed in float64.

An embedding that is not finite, or zero, has no direction. Its cosine is NaN, and NaN passes no
floor. It counts as a wrong choice, and figures over several inputs include it.

`rounded` gives a figure the digits that mostly repeat on another CPU, where fp32 differs in the
last bits. 1 - cosine has three significant ones, none beyond the seventh decimal: a step of them
is at most 1 %, less than the noise that stages/report/noise.py forgives. An SNR has one decimal
and is at most MOST_DB, a largest error has two significant digits. Shares, sizes and counts repeat
exactly.
"""

import math

import numpy as np

MOST_DB = 100.0  # beyond it lies nothing but fp32's own rounding, which is another on every CPU
COSINES = ("cosine", "cosine_min", "cosine_mean")
ERRORS = ("logits_error", "largest_difference")
DECIMALS = {"snr_db": 1, "accuracy": 4, "top1_agreement": 4, "size_mb": 3}
MOST_DECIMALS = 7
TWICE, LEAST = 2, 1e-6  # of an error that was reached, and more: CPUs differ by less
NOTHING = -1  # what a row without a direction chooses


def _rows(array):
    return np.asarray(array, np.float64)


def normalized(embeds):
    embeds = _rows(embeds)
    with np.errstate(divide="ignore", invalid="ignore"):
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
    with np.errstate(invalid="ignore", over="ignore"):
        noise = ((embeds - reference) ** 2).sum()
    if not math.isfinite(noise):
        return math.nan
    return float(10 * np.log10(signal / np.maximum(noise, signal / 10 ** (MOST_DB / 10))))


def nearest(embeds, others):
    """[n] the row of `others` that is most alike each row of `embeds`: zero-shot's choice."""
    return choice(normalized(embeds) @ normalized(others).T)


def choice(scores):
    """[n] the place of the highest of each row; NOTHING in rows that are not finite."""
    return np.where(np.isfinite(scores).all(-1), scores.argmax(-1), NOTHING)


def agreement(reference, embeds, others):
    """The share of rows that choose the same one of `others` as their reference does."""
    chosen = nearest(embeds, others)
    return float(((nearest(reference, others) == chosen) & (chosen != NOTHING)).mean())


def measure(reference, runs, others):
    """The metrics of one file, each the worst over `runs`, embeddings of the same inputs.

    `others` are the other tower's reference embeddings, None where there is no such tower: then
    nothing is chosen. `inputs` is how many rows were measured.
    """
    cosines = np.min([cosine(reference, embeds) for embeds in runs], axis=0)
    found = {
        "inputs": len(cosines),
        "cosine_min": float(cosines.min()),
        "cosine_mean": float(cosines.mean()),
        "snr_db": worst(snr_db(reference, embeds) for embeds in runs),
    }
    if others is not None:
        found["top1_agreement"] = worst(agreement(reference, embeds, others) for embeds in runs)
    return found


def worst(figures):
    """The least of some figures, NaN if one of them is: Python's `min` would pass over it."""
    return float(np.min(list(figures)))


def control(reference):
    """What `measure` says of embeddings that belong to another input: every floor must fail it."""
    shifted = np.roll(_rows(reference), 1, axis=0)
    return {
        "cosine_min": float(cosine(reference, shifted).min()),
        "cosine_mean": float(cosine(reference, shifted).mean()),
        "snr_db": snr_db(reference, shifted),
    }


def least_elsewhere(reached):
    """The cosine that a file has to reach on other machines, by what it reached here.

    1 if `reached` is no number: the file then passes nowhere.
    """
    if not math.isfinite(reached):
        return 1.0
    return math.floor((1 - TWICE * (1 - reached) - LEAST) * 10**MOST_DECIMALS) / 10**MOST_DECIMALS


def significant(value, digits):
    """A number in so many significant digits."""
    return float(f"{value:.{digits - 1}e}")


def repeatable(name, value):
    """A figure in the digits that mostly repeat; null for what is no number, yes and no as such."""
    if isinstance(value, bool):
        return value
    if not math.isfinite(value):
        return None
    if name in COSINES:
        value = 1 - significant(1 - value, 3)
    elif name in ERRORS:
        return significant(value, 2)
    return round(value, DECIMALS.get(name, MOST_DECIMALS))


def rounded(metrics):
    return {name: repeatable(name, value) for name, value in metrics.items()}
