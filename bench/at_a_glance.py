"""README's picture: a model's files and what other tools make of it, by size and worst cosine.

    python -m bench.at_a_glance

Reads bench/encodings.json, writes bench/at-a-glance.svg. `make bench NAME=encodings` draws it, too.
"""

import math
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench import comparison
from bench.picture import SMALLEST_ERROR
from bench.records import read
from clip_onnx import command
from tools import charts

PICTURE = Path("bench/at-a-glance.svg")
MODEL = "tiny-vit"
TITLES = {"visual": "pictures", "textual": "texts"}
# Blue and vermilion, which the colour-blind tell apart, in two shapes.
LOOKS = {
    "ours": {"marker": "o", "color": "#0072b2", "label": "ours"},
    "peer": {"marker": "X", "color": "#d55e00", "label": "other tools"},
}
# Labels of ours stand on the left, where nothing is smaller, others' on the right.
LABELS = {"ours": ((-8, 2), "right"), "peer": ((8, -4), "left")}
NINES = range(1, 8)  # 0.9 to 0.9999999
SHOWN = {"ours": ("int4w", "int6w", "int8w", "fp16w"), "peer": ("q4", "q8", "fp16", "bnb4")}


def digits(cosine):
    """How many nines a cosine has: 0.999 is 3."""
    return -math.log10(max(1 - cosine, SMALLEST_ERROR))


def panel(axes, group):
    group = [one for one in group if one["cosine_min"] is not None]
    for by, look in LOOKS.items():
        found = [one for one in group if one["by"] == by]
        places = [(one["size_mb"], digits(one["cosine_min"])) for one in found]
        axes.scatter(*zip(*places, strict=True), s=60, zorder=3, **look)
        for one, place in zip(found, places, strict=True):
            if one["encoding"] in SHOWN[by]:
                away, side = LABELS[by]
                look = {"color": LOOKS[by]["color"], "ha": side}
                axes.annotate(one["encoding"], place, away, textcoords="offset points", **look)
    ours = [one | {"graph": one["tower"]} for one in group if one["by"] == "ours"]
    steps = charts.frontier(pd.DataFrame(ours))
    line = (steps["size_mb"], steps["cosine_min"].map(digits))
    axes.step(*line, where="post", color=LOOKS["ours"]["color"], alpha=0.5)
    sizes = [one["size_mb"] for one in group]
    axes.set(title=TITLES[group[0]["tower"]], xlabel="MB", ylim=(0.8, 7.8), xscale="log")
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.4)
    ticks = [size for size in (0.5, 1, 2, 4, 8, 16) if min(sizes) / 1.6 < size < max(sizes) * 1.4]
    axes.set_xticks(ticks, [f"{size:g}" for size in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def figure(records):
    groups = [one for one in comparison.towers(records) if one[0]["model"] == MODEL]
    drawn = Figure(figsize=(10, 4.6), layout="constrained")
    panels = drawn.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        panel(axes, group)
    panels[0].set_yticks([*NINES], [f"{1 - 10.0**-n:.{n}f}" for n in NINES])
    panels[0].set_ylabel("worst cosine with OpenAI's code")
    panels[0].legend(loc="lower right", frameon=False)
    drawn.suptitle(f"{MODEL}: higher is closer, further left is smaller", fontsize=13)
    return drawn


def draw(records, path):
    """Write the picture: the same bytes for the same records."""
    look = {"svg.hashsalt": "clip-onnx", "svg.fonttype": "path", "font.size": 11}
    with matplotlib.rc_context(look):
        FigureCanvasSVG(figure(records)).print_svg(path, metadata={"Date": None})


def main():
    draw(read(comparison.RECORDS), PICTURE)


if __name__ == "__main__":
    command.run(main)
