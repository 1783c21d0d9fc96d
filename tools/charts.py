"""The charts of the report page, in Altair. The page sets FLOOR, the worst cosine asked for."""

import altair as alt

from clip_onnx.names import TOWERS
from stages.report.cosines import CLOSEST, QUANTILES

FLOOR, FIRST_FLOOR = "floor", 0.999
FIGURES = ["file", "size_mb", "cosine_min", "snr_db"]
BLUE, RED = "#4c78a8", "#e45756"


def frontier(table):
    """The files of a model's graph that no other beats in both size and closeness."""
    kept = []
    for _, files in table.dropna(subset=["cosine_min"]).groupby(["model", "graph"], sort=False):
        ordered = files.sort_values(["size_mb", "cosine_min"], ascending=[True, False])
        best = ordered["cosine_min"].cummax().shift(fill_value=-2)
        kept += list(ordered.index[ordered["cosine_min"] > best])
    return table.loc[kept]


def size_and_error(candidates):
    """A model's towers side by side: the candidates, the frontier with its names, and the floor."""
    floor = alt.param(name=FLOOR, value=FIRST_FLOOR)
    table = candidates.assign(edge=candidates.index.isin(frontier(candidates).index))
    base = alt.Chart(table).transform_calculate(least=f"max(1 - {FLOOR}, {CLOSEST})")
    x = alt.X("size_mb:Q", title="MB").scale(type="log", nice=False, padding=30)
    y = alt.Y("cosine_error:Q", title="1 - worst cosine").axis(format=".0e")
    y = y.scale(type="log", nice=False, padding=20)
    holds = alt.datum.cosine_min >= floor
    faint = alt.when(holds).then(alt.value(1)).otherwise(alt.value(0.35))
    edge = base.transform_filter(alt.datum.edge)
    layers = alt.layer(
        edge.mark_line(interpolate="step-after", color=BLUE).encode(x, y),
        base.mark_point(filled=True, size=70, color=BLUE).encode(
            x, y, opacity=faint, tooltip=FIGURES
        ),
        edge.mark_text(align="left", dx=6, dy=-7).encode(x, y, text="variant:N", opacity=faint),
        base.mark_rule(strokeDash=[6, 4], color=RED).encode(y="min(least):Q"),
    ).properties(width=360, height=260)
    chart = layers.facet(
        row=alt.Row("model:N", title=None, sort=[*dict.fromkeys(table["model"])]),
        column=alt.Column("graph:N", title=None, sort=[*TOWERS]),
    )
    return chart.resolve_scale(x="independent").add_params(floor)


def distribution(table):
    """Of each file the cosines: all inputs a line, the middle half a bar, the median a tick."""
    table = table.assign(series=table["graph"] + " " + table["variant"])
    x = alt.X("least:Q", title="digits, -log10(1 - cosine)")
    base = alt.Chart(table).encode(
        y=alt.Y("series:N", title=None, sort=None), tooltip=["file", *QUANTILES]
    )
    layers = alt.layer(
        base.mark_rule(color=BLUE).encode(x=x, x2="most"),
        base.mark_bar(height=8, color=BLUE).encode(x="q25:Q", x2="q75"),
        base.mark_tick(thickness=2, height=14, color="gray").encode(x="median:Q"),
        base.mark_point(filled=True, size=30, color=RED).encode(x="least:Q"),
    ).properties(width=320, height=alt.Step(16))
    chart = layers.facet(column=alt.Column("model:N", title=None, sort=None))
    return chart.resolve_scale(y="independent")


def bits(table):
    """The width of every weight, a row of bars a file."""
    bars = alt.Chart(table).mark_bar()
    bars = bars.encode(
        x=alt.X("tensor:N", title=None, sort=None).axis(labelAngle=-90, labelLimit=260),
        y=alt.Y("bits:Q"),
        color=alt.Color("bits:O", legend=None).scale(scheme="viridis", reverse=True),
        tooltip=["file", "tensor", "bits"],
    ).properties(width=alt.Step(18), height=110)
    chart = bars.facet(row=alt.Row("file:N", title=None, sort=None))
    return chart.resolve_scale(x="independent")
