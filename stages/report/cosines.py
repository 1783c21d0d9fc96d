"""How each file's cosines are distributed over its inputs: quantiles, in digits.

digits = -log10(1 - cosine): 3 is a cosine of 0.999, and another digit is a tenth of the error. An
input that gave no number counts as a cosine of -1.
"""

import json

import numpy as np
import pandas as pd

QUANTILES = {
    "least": 0.0,
    "q05": 0.05,
    "q25": 0.25,
    "median": 0.5,
    "q75": 0.75,
    "q95": 0.95,
    "most": 1.0,
}
COLUMNS = ["file", "model", "graph", "variant", *QUANTILES]
CLOSEST = 0.5e-7  # cosines carry 7 decimals: what prints as 1 is closer than half a digit
DECIMALS = 3  # of the digits


def read(directory, files):
    """{file: its cosines} of what stages.evaluate wrote."""
    return {
        file: json.loads((directory / f"{file}.json").read_text("utf-8"))["cosines"]
        for file in files
    }


def errors(cosines):
    """1 - cosine, of a size that logarithms take."""
    return np.maximum(1 - np.asarray(cosines, float), CLOSEST)


def digits(cosines):
    return -np.log10(errors([-1 if cosine is None else cosine for cosine in cosines]))


def frame(files):
    """{file: cosines} as one row a file, `model.graph.variant`."""
    rows = []
    for file, cosines in files.items():
        found = np.quantile(digits(cosines), list(QUANTILES.values())).round(DECIMALS)
        rows.append([file, *file.split("."), *found.tolist()])
    return pd.DataFrame(rows, columns=COLUMNS)
