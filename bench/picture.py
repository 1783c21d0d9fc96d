"""The records of bench/encodings.json as a picture: size against cosine error, a panel a tower."""

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench import comparison

SMALLEST_ERROR = 0.5e-7  # cosines carry 7 digits: what prints as 1 is closer than half a digit
LOOKS = {
    "ours": {"marker": "o", "color": "#0b5cad", "label": "ours"},
    "peer": {"marker": "D", "color": "#c2410c", "markerfacecolor": "white", "label": "other tools"},
}


def points(records):
    """[(record, size relative to fp32, cosine error)] of the files that gave numbers."""
    return [
        (
            record,
            record["size_mb"] / comparison.fp32(records, record)["size_mb"],
            max(1 - record["cosine_min"], SMALLEST_ERROR),
        )
        for record in records
        if record["cosine_min"] is not None
    ]


def panel(axes, group):
    for by, look in LOOKS.items():
        found = [(x, y) for record, x, y in points(group) if record["by"] == by]
        axes.plot(*zip(*found, strict=True), linestyle="", markersize=6, **look)
    for record, x, y in points(group):
        left = record["by"] == "peer"
        axes.annotate(
            record["encoding"],
            (x, y),
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=8,
            color=LOOKS[record["by"]]["color"],
        )
    axes.set(title=f"{comparison.label(group[0])}, {group[0]['tower']}", xscale="log", yscale="log")
    axes.grid(alpha=0.3)


def figure(records):
    groups = comparison.towers(records)
    rows = (len(groups) + 1) // 2
    drawn = Figure(figsize=(10, 3.6 * rows + 0.5), layout="constrained")
    panels = drawn.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
    for axes, group in zip(panels.flat, groups, strict=False):
        panel(axes, group)
    for axes in panels.flat[len(groups) :]:
        axes.remove()
    first = panels[0, 0]
    first.set_xlim(0.09, 1.5)
    ticks = [0.125, 0.25, 0.5, 1]
    first.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    first.xaxis.set_minor_formatter(NullFormatter())
    first.set_xticks(ticks)
    first.legend(loc="lower left")
    drawn.supxlabel("size of the tower's file, relative to fp32")
    drawn.supylabel("1 - worst cosine with OpenAI's code (lower is closer)")
    return drawn


def draw(records, path):
    """Write the picture: the same bytes for the same records."""
    with matplotlib.rc_context({"svg.hashsalt": "clip-onnx", "svg.fonttype": "path"}):
        canvas = FigureCanvasSVG(figure(records))
        canvas.print_svg(path, metadata={"Date": None})
