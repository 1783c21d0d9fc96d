"""The records of bench/models.json and bench/ladder.json as Markdown tables."""

from pathlib import Path

import pandas

from bench import rungs
from bench.records import read

RECORDS = Path("bench/models.json")
STAGES = [
    "download",
    "reference",
    "calibrate",
    "export",
    "patch",
    "sensitivity",
    "encode",
    "evaluate",
]
EARLIER = {"convert": "encode", "quantize": "encode"}  # what stages of earlier records are now
COUNTS = ["pictures", "captions"]  # in records of reference, calibrate and evaluate


def frame(records):
    """The records as a DataFrame whose models and stages keep their order."""
    table = pandas.DataFrame(records)
    table["stage"] = table["stage"].replace(EARLIER)
    table["stage"] = pandas.Categorical(table["stage"], STAGES, ordered=True)
    models = list(dict.fromkeys(table["model"]))
    table["model"] = pandas.Categorical(table["model"], models, ordered=True)
    return table


def shown(template, numbers):
    """A column as text; blank where there is nothing."""
    return numbers.map(template.format, na_action="ignore").astype(object).fillna("")


def counted(rows):
    """Rows whose counts, if there are any, are whole numbers or blank."""
    return rows.assign(**{name: shown("{:.0f}", rows[name]) for name in COUNTS if name in rows})


def summary(records):
    """A row a model: download, disk, memory, and seconds of every stage, towers added up."""
    table = frame(records)
    stored = table[table["stage"] != "evaluate"].groupby("model", observed=True)["size_mb"].sum()
    download, calibrate = (
        table[table["stage"] == name].set_index("model").reindex(stored.index)
        for name in ("download", "calibrate")
    )
    heaviest = table.loc[table.groupby("model", observed=True)["peak_rss_mb"].idxmax()]
    heaviest = heaviest.set_index("model")
    parity = table[table["item"].str.endswith(".fp32.evaluate")]
    rows = pandas.DataFrame(
        {
            "download MB": shown("{:.0f}", download["size_mb"]),
            "disk GB": shown("{:.1f}", stored / 1000),
            "calibrate disk GB": shown("{:.2f}", calibrate["size_mb"] / 1000),
            "memory GB": shown("{:.1f}", heaviest["peak_rss_mb"] / 1000)
            + heaviest["stage"].map(" ({})".format).astype(str),
            "calibrate memory GB": shown("{:.1f}", calibrate["peak_rss_mb"] / 1000),
            **seconds(table),
            "fp32 worst cosine": shown(
                "{:.7f}", parity.groupby("model", observed=True)["cosine_min"].min()
            ),
        }
    )
    return rows.to_markdown(
        disable_numparse=True, colalign=["left"] + ["right"] * len(rows.columns)
    )


def seconds(table):
    """{column: seconds of each model} of every stage; blank where a model lacks it."""
    found = table.pivot_table(
        index="model", columns="stage", values="wall_s", aggfunc="sum", observed=True
    ).reindex(columns=STAGES)
    return {f"{stage} s": shown("{:.0f}", found[stage]) for stage in STAGES}


def processes(records):
    """A row a process: seconds, memory, what it wrote or measured."""
    table = counted(frame(records).drop(columns=["model", "stage"]))
    table["cosine_min"] = shown("{:.7f}", table["cosine_min"])
    return table.to_markdown(index=False, disable_numparse=True)


def markdown(records, ladder=()):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    return f"""# Full-size models, stage by stage

Written by `make bench NAME=models`, at commit {commits}. The weights are random
(`tools/make_twin.py --outliers`): times, memory and sizes are those of the real models, and so is
the parity of `fp32`; the cosines of the other encodings say nothing of trained weights.

{summary(records)}

`memory GB` is the peak of one process, `disk GB` all that the stages leave in `data` for `fp32`,
`int8w` and `int4w`. `reference`, `calibrate` and `evaluate` take as many of the pipeline's inputs
as `inputs:` of `params.yaml` gives a model of its size; below, `pictures` and `captions` say how
many. A visual file's `evaluate` takes each labelled drawing of the reference besides, once.

Where `evaluate` takes most, ONNX Runtime does, as it decodes the weights of `int8w` and `int4w`
while it loads them, and so does every program that loads them; `clip-onnx optimise` does it once
for all (docs/use.md). Since 3940850 `evaluate` decodes the weights of files of 100 MB and more one
by one (`stages/evaluate/decoded.py`), which the rows of earlier commits do not show.

A row with `reference` and without `calibrate` is of an earlier commit, which had no such stage: it
made `fp16w` and `int8w`, the latter calibrated for `vit-b-32` alone, and `reference` and `evaluate`
ran on a few pictures and captions. A row without either is of a model of billions of weights, of
which `fp32` alone was built, and measured on two pictures and two captions (`bench/few.py`).

{rungs.markdown(ladder)}## Every process

{processes(records)}
"""


def write():
    """Write bench/models.md from both files of records."""
    RECORDS.with_suffix(".md").write_text(markdown(read(RECORDS), read(rungs.RECORDS)), "utf-8")
