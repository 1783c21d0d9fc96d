"""Which tensor got how many bits: a table, and a picture of it."""

import matplotlib
import pandas as pd
from matplotlib import pyplot

COLUMNS = ["file", "tensor", "bits"]
ROW, WIDTH = 2.2, 10  # inches
SHADES = "viridis_r"
LEAST, MOST = 3, 8  # widths between which shades differ; 16 is drawn as one more


def frame(files):
    """{file: {tensor: bits}} as rows, tensors in the graph's order."""
    rows = [(file, name, bits) for file, tensors in files.items() for name, bits in tensors.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(files, path):
    """An SVG with one row of bars a file; the same bytes for the same widths."""
    matplotlib.use("Agg")
    with matplotlib.rc_context({"svg.hashsalt": "clip-onnx", "font.size": 8}):
        count = max(1, len(files))
        figure, axes = pyplot.subplots(count, 1, figsize=(WIDTH, ROW * count), squeeze=False)
        for axis, (file, tensors) in zip(axes[:, 0], files.items(), strict=False):
            _bars(axis, file, tensors)
        if not files:
            axes[0, 0].axis("off")
            axes[0, 0].text(0.5, 0.5, "no file with widths chosen by tensor", ha="center")
        figure.tight_layout()
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def _bars(axis, file, tensors):
    shade = matplotlib.colormaps[SHADES]
    names, bits = list(tensors), list(tensors.values())
    colors = [shade((width - LEAST) / (MOST - LEAST)) for width in bits]
    heights = [min(width, MOST + 1) for width in bits]
    axis.bar(range(len(bits)), heights, color=colors, width=0.8)
    for place, (width, height) in enumerate(zip(bits, heights, strict=True)):
        axis.text(place, height + 0.15, str(width), ha="center", va="bottom", fontsize=6)
    axis.set(title=file, ylabel="bits", yticks=(0, 4, 8), ylim=(0, MOST + 3))
    axis.set_xlim(-0.7, len(bits) - 0.3)
    axis.set_xticks(range(len(bits)), [short(name) for name in names], rotation=90, fontsize=5)
    axis.spines[["top", "right"]].set_visible(False)


def short(name):
    """A tensor's name without what all of them share."""
    for part in ("transformer.resblocks.", "_weight", ".weight", ".T"):
        name = name.replace(part, "" if part != "transformer.resblocks." else "block ")
    return name
