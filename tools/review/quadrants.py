"""Size against error as Mermaid's quadrantChart, which GitHub draws in a comment by itself.

Its axes run from 0 to 1: places on them are logarithmic, and the ends are written out.
"""

import math

from stages.report.cosines import CLOSEST

SMALLEST = 0.001  # MB; sizes carry 3 digits
STEPS = 40
GREY = "#999999"


def _ends(values, margin):
    """The ends of a logarithmic axis around some values, in two digits."""
    low, high = min(values) / margin, max(values) * margin
    return float(f"{low:.1e}"), float(f"{high:.1e}")


def _place(value, ends):
    """From 0 to 1, in steps that keep two labels apart."""
    low, high = map(math.log, ends)
    return round(STEPS * (math.log(value) - low) / (high - low)) / STEPS


def points(figures):
    """{variant: (MB, 1 - worst cosine)} of {variant: metrics}."""
    return {
        variant: (max(metrics["size_mb"], SMALLEST), max(1 - metrics["cosine_min"], CLOSEST))
        for variant, metrics in figures.items()
        if "size_mb" in metrics and metrics.get("cosine_min") is not None  # a file that gives NaN
    }


def _drawn(places, style):
    """Lines of points; names that share a place share a label."""
    sharing = {}
    for name, place in places.items():
        sharing.setdefault(place, []).append(name)
    return [f'    "{", ".join(names)}": [{x}, {y}] {style}' for (x, y), names in sharing.items()]


def chart(title, old, new):
    """Lines of the chart of one graph, from `points` before and after; none if one file is all."""
    before = {name: spot for name, spot in old.items() if new.get(name, spot) != spot}
    spots = [*new.values(), *before.values()]
    if len(spots) < 2:
        return []
    sizes, errors = _ends([mb for mb, _ in spots], 1.3), _ends([e for _, e in spots], 3)
    places = {name: (_place(mb, sizes), _place(e, errors)) for name, (mb, e) in new.items()}
    left = {name: (_place(mb, sizes), _place(e, errors)) for name, (mb, e) in before.items()}
    moved = {f"{name} before": place for name, place in left.items() if place != places[name]}
    return [
        "```mermaid",
        "quadrantChart",
        f"    title {title}, bottom left is best",
        f'    x-axis "from {sizes[0]:g} MB" --> "to {sizes[1]:g} MB, log scale"',
        f'    y-axis "1 - cosine from {errors[0]:g}" --> "to {errors[1]:g}, log scale"',
        *_drawn(moved, f"radius: 4, color: {GREY}"),
        *_drawn(places, "radius: 5"),
        "```",
    ]
