"""Size against error as Mermaid's quadrantChart, which GitHub draws in a comment by itself.

Its axes run from 0 to 1: places on them are logarithmic, and the ends are written out.
"""

import math

CLOSEST = 0.5e-7  # cosines carry 7 digits: what prints as 1 is closer than half a digit
GREY = "#999999"


def _ends(values, margin):
    """The ends of a logarithmic axis around some values, in two digits."""
    low, high = min(values) / margin, max(values) * margin
    return float(f"{low:.1e}"), float(f"{high:.1e}")


def _place(value, ends):
    low, high = map(math.log, ends)
    return round((math.log(value) - low) / (high - low), 3)


def points(figures):
    """{variant: (MB, 1 - worst cosine)} of {variant: metrics}."""
    return {
        variant: (metrics["size_mb"], max(1 - metrics["cosine_min"], CLOSEST))
        for variant, metrics in figures.items()
        if "size_mb" in metrics and "cosine_min" in metrics
    }


def _merged(spots):
    """Names that share a spot share a label: {spot: names}."""
    found = {}
    for name, spot in spots:
        found.setdefault(spot, []).append(name)
    return found


def chart(title, old, new):
    """Lines of the chart of one graph, from `points` before and after; none if one file is all."""
    before = {name: spot for name, spot in old.items() if new.get(name, spot) != spot}
    spots = [*new.values(), *before.values()]
    if len(spots) < 2:
        return []
    sizes, errors = _ends([mb for mb, _ in spots], 1.3), _ends([e for _, e in spots], 3)

    def drawn(names, style):
        placed = [(name, (_place(mb, sizes), _place(e, errors))) for name, (mb, e) in names]
        for (x, y), sharing in _merged(placed).items():
            yield f'    "{", ".join(sharing)}": [{x}, {y}] {style}'

    return [
        "```mermaid",
        "quadrantChart",
        f"    title {title}, bottom left is best",
        f'    x-axis "{sizes[0]:g} MB" --> "{sizes[1]:g} MB, log scale"',
        f'    y-axis "1 - cosine {errors[0]:.0e}" --> "{errors[1]:.0e}, log scale"',
        *drawn(
            ((f"{name} before", spot) for name, spot in before.items()), f"radius: 4, color: {GREY}"
        ),
        *drawn(new.items(), "radius: 5"),
        "```",
    ]
