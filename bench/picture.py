"""The records of bench/encodings.json as a picture: size against cosine error, a panel a tower."""

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from matplotlib.transforms import Bbox

from bench import comparison

SMALLEST_ERROR = 0.5e-7  # cosines carry 7 digits: what prints as 1 is closer than half a digit
LOOKS = {
    "ours": {"marker": "o", "markersize": 5, "color": "#0b5cad", "label": "ours"},
    "peer": {
        "marker": "D",
        "markersize": 8,
        "color": "#b83a0a",
        "markerfacecolor": "none",
        "label": "other tools",
    },
}
SIZES = [0.125, 0.25, 0.5, 1]
FONT = 8
PLACES = [  # of a label about its point: directions, the preferred first
    *((1, 0), (-1, 0), (0, 1), (0, -1)),
    *((1, 1), (1, -1), (-1, 1), (-1, -1)),
]


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


def box(x, y, width, height):
    return Bbox.from_bounds(x - width / 2, y - height / 2, width, height)


def overlap(one, other):
    shared = Bbox.intersection(one, other)
    return shared.width * shared.height if shared else 0


def candidates(x, y, text, unit):
    """Where a label may stand about (x, y); `unit` is a point in pixels."""
    width, height, away = 0.62 * FONT * len(text) * unit, 1.1 * FONT * unit, 7 * unit
    for right, up in PLACES:
        yield box(x + right * (away + width / 2), y + up * (away + height / 2), width, height)


def covered(place, taken, panel):
    """How much a label would cover, or lie outside the panel."""
    outside = place.width * place.height - overlap(place, panel)
    return outside + sum(overlap(place, other) for other in taken)


def write_labels(axes, group):
    """Each label at the place where it covers least of the points and of the labels before."""
    unit = axes.figure.dpi / 72
    found = [(record, axes.transData.transform((x, y))) for record, x, y in points(group)]
    taken = [box(x, y, 9 * unit, 9 * unit) for _, (x, y) in found]
    for record, (x, y) in found:
        places = candidates(x, y, record["encoding"], unit)
        best = min(places, key=lambda place: covered(place, taken, axes.bbox))
        taken.append(best)
        middle = axes.transData.inverted().transform(best.get_points().mean(0))
        colour = LOOKS[record["by"]]["color"]
        look = {"fontsize": FONT, "color": colour, "ha": "center", "va": "center"}
        axes.text(*middle, record["encoding"], **look)


def panel(axes, group):
    for by, look in LOOKS.items():
        found = [(x, y) for record, x, y in points(group) if record["by"] == by]
        axes.plot([x for x, _ in found], [y for _, y in found], linestyle="", **look)
    axes.set(title=f"{comparison.label(group[0])}, {group[0]['tower']}")
    axes.grid(alpha=0.3)


def figure(records):
    groups = comparison.towers(records)
    rows = (len(groups) + 1) // 2
    drawn = Figure(figsize=(10, 3.6 * rows + 0.8), layout="constrained")
    panels = drawn.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
    for axes, group in zip(panels.flat, groups, strict=False):
        panel(axes, group)
    for axes in panels.flat[len(groups) :]:
        axes.remove()
    first = panels[0, 0]
    first.set(xscale="log", yscale="log", xlim=(0.09, 1.4))
    first.set_xticks(SIZES, [f"{size:g}" for size in SIZES])
    first.xaxis.set_minor_formatter(NullFormatter())
    drawn.legend(*first.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    drawn.supxlabel("size of the tower's file, relative to fp32")
    drawn.supylabel("1 - worst cosine with the model's own code (lower is closer)")
    drawn.draw_without_rendering()  # lays the panels out: labels are placed by pixels
    for axes, group in zip(panels.flat, groups, strict=False):
        write_labels(axes, group)
    return drawn


def draw(records, path):
    """Write the picture: the same bytes for the same records."""
    with matplotlib.rc_context({"svg.hashsalt": "clip-onnx", "svg.fonttype": "path"}):
        canvas = FigureCanvasSVG(figure(records))
        canvas.print_svg(path, metadata={"Date": None})
