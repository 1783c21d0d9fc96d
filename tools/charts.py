"""The charts of the report page, in Altair. The page sets FLOOR, the worst cosine asked for."""

import altair as alt

from stages.report.cosines import CLOSEST, QUANTILES

FLOOR, FIRST_FLOOR = "floor", 0.999
FIGURES = ["file", "size_mb", "cosine_min", "snr_db"]


def frontier(table):
    """The files of a model's graph that no other beats in both size and closeness."""
    kept = []
    for _, files in table.dropna(subset=["cosine_min"]).groupby(["model", "graph"], sort=False):
        ordered = files.sort_values(["size_mb", "cosine_min"], ascending=[True, False])
        best = ordered["cosine_min"].cummax().shift(fill_value=-2)
        kept += list(ordered.index[ordered["cosine_min"] > best])
    return table.loc[kept]


def size_and_error(table, candidates):
    """Every file; the frontier of the candidates; and the floor, below which files hold it."""
    table = table.dropna(subset=["size_mb"])  # OpenAI's own code is no file
    floor = alt.param(name=FLOOR, value=FIRST_FLOOR)
    table = table.assign(series=table["model"] + " " + table["graph"])
    edge = frontier(candidates)
    edge = edge.assign(series=edge["model"] + " " + edge["graph"])
    x = alt.X("size_mb:Q", title="MB").scale(type="log", nice=False, padding=20)
    y = alt.Y("cosine_error:Q", title="1 - worst cosine").axis(format=".0e")
    y = y.scale(type="log", nice=False, padding=20)
    color = alt.Color("series:N", title="model and graph", sort=None).scale(scheme="tableau20")
    holds = alt.datum.cosine_min >= floor
    points = alt.Chart(table).mark_point(filled=True, size=80)
    points = points.encode(
        x, y, color, opacity=alt.when(holds).then(alt.value(1)).otherwise(alt.value(0.25))
    ).encode(tooltip=FIGURES)
    steps = alt.Chart(edge).mark_line(interpolate="step-after").encode(x, y, color)
    rule = alt.Chart(alt.Data(values=[{}])).mark_rule(strokeDash=[6, 4])
    rule = rule.transform_calculate(cosine_error=f"max(1 - {FLOOR}, {CLOSEST})").encode(y=y)
    chart = alt.layer(steps, points, rule).add_params(floor)
    return chart.properties(width=760, height=420)


def distribution(table):
    """Of each file the cosines: all inputs a line, the middle half a bar, the median a tick."""
    table = table.assign(series=table["graph"] + " " + table["variant"])
    x = alt.X("least:Q", title="digits, -log10(1 - cosine)")
    base = alt.Chart(table).encode(
        y=alt.Y("series:N", title=None, sort=None), tooltip=["file", *QUANTILES]
    )
    layers = alt.layer(
        base.mark_rule(color="#4c78a8").encode(x=x, x2="most"),
        base.mark_bar(height=8, color="#4c78a8").encode(x="q25:Q", x2="q75"),
        base.mark_tick(thickness=2, height=14, color="black").encode(x="median:Q"),
        base.mark_point(filled=True, size=30, color="#e45756").encode(x="least:Q"),
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
