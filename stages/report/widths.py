"""Which tensor got how many bits, as a table."""

import pandas as pd

COLUMNS = ["file", "tensor", "bits"]


def frame(files):
    """{file: {tensor: bits}} as rows, tensors in the graph's order."""
    rows = [(file, name, bits) for file, tensors in files.items() for name, bits in tensors.items()]
    return pd.DataFrame(rows, columns=COLUMNS)
