"""Which figures moved. A new figure within the noise of its kind leaves the one in git as it is.

`noise:` in params.yaml says how much noise a kind has. A new figure is compared with the one in
git, never with the last run's, so small steps in one direction cannot add up unseen. If a file has
another size, or was measured on other inputs, all its figures are new. So is a figure that was no
number, or became none.
"""

import pandas as pd

from clip_onnx.measure import parity
from stages.report import cosines

SAME_FILE = ("size_mb", "inputs", "rounded_tensors")
ROUNDED = 1e-4  # what rounding adds to a share of inputs
EXACT = 1e-9  # floats of decimals


def margin(name, old, inputs, noise):
    """How far a figure may be from the old one."""
    if name in parity.COSINES:
        return noise.cosine.share * (1 - old) + noise.cosine.least
    if name in parity.ERRORS:
        return noise.error.share * old + noise.error.least
    if name == "snr_db":
        return noise.snr_db
    if name == "top1_agreement" and inputs:
        return noise.top1_inputs / inputs + ROUNDED
    return 0


def stays(name, old, new, inputs, noise):
    if old is None or new is None:
        return old is new
    return abs(new - old) <= margin(name, old, inputs, noise) + EXACT


def is_other(old, new):
    """Whether two files' figures are not of the same file and inputs."""
    return any(old.get(name) != new.get(name) for name in SAME_FILE)


def of_file(old, new, noise):
    """A file's figures: the old ones where they stay."""
    if is_other(old, new):
        return new
    return {
        name: old[name]
        if name in old and stays(name, old[name], value, new.get("inputs"), noise)
        else value
        for name, value in new.items()
    }


def settled(old, new, noise):
    """The same of nested dictionaries, whose innermost are files' figures."""
    if not all(isinstance(child, dict) for child in new.values()):
        return of_file(old, new, noise)
    return {key: settled(old.get(key, {}), child, noise) for key, child in new.items()}


def kept(old, new):
    """(how many figures of nested dictionaries are the old ones, of how many)."""
    if not isinstance(new, dict):
        return int(old == new), 1
    old = old if isinstance(old, dict) else {}
    counts = [kept(old.get(key), child) for key, child in new.items()]
    return sum(same for same, _ in counts), sum(every for _, every in counts)


def row_stays(old, new, noise):
    """Whether the quantiles of a file's cosines, in digits, are still what they were."""
    pairs = ((10 ** -old[name], 10 ** -new[name]) for name in cosines.QUANTILES)
    return all(stays("cosine", 1 - before, 1 - now, None, noise) for before, now in pairs)


def quantiles(old, new, others, noise):
    """The table of cosines.frame, with old rows where they stay. No row of `others` stays."""
    if list(old.columns) != list(new.columns):
        return new
    former = {row["file"]: row for row in old.to_dict("records") if row["file"] not in others}
    rows = [
        former[row["file"]]
        if row["file"] in former and row_stays(former[row["file"]], row, noise)
        else row
        for row in new.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=new.columns)
