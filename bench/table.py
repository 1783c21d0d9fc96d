"""The records of bench/models.json as Markdown tables."""

from pathlib import Path

import pandas

RECORDS = Path("bench/models.json")
STAGES = ["download", "reference", "export", "patch", "convert", "quantize", "evaluate"]


def frame(records):
    """The records as a DataFrame whose models and stages keep their order."""
    table = pandas.DataFrame(records)
    table["stage"] = pandas.Categorical(table["stage"], STAGES, ordered=True)
    models = list(dict.fromkeys(table["model"]))
    table["model"] = pandas.Categorical(table["model"], models, ordered=True)
    return table


def summary(records):
    """A row a model: download, disk, memory, and seconds of every stage, towers added up."""
    table = frame(records)
    stored = table[table["stage"] != "evaluate"].groupby("model", observed=True)["size_mb"].sum()
    download = table[table["stage"] == "download"].set_index("model")["size_mb"]
    heaviest = table.loc[table.groupby("model", observed=True)["peak_rss_mb"].idxmax()]
    heaviest = heaviest.set_index("model")
    parity = table[table["item"].str.endswith(".fp32.evaluate")]
    seconds = table.pivot_table(
        index="model", columns="stage", values="wall_s", aggfunc="sum", observed=True
    )
    rows = pandas.DataFrame(
        {
            "download MB": download.map("{:.0f}".format),
            "disk GB": (stored / 1000).map("{:.1f}".format),
            "memory GB": (heaviest["peak_rss_mb"] / 1000).map("{:.1f}".format)
            + heaviest["stage"].map(" ({})".format).astype(str),
            **{f"{stage} s": seconds[stage].map("{:.0f}".format) for stage in STAGES},
            "fp32 worst cosine": parity.groupby("model", observed=True)["cosine_min"]
            .min()
            .map("{:.7f}".format),
        }
    )
    return rows.to_markdown(
        disable_numparse=True, colalign=["left"] + ["right"] * len(rows.columns)
    )


def processes(records):
    """A row a process: seconds, memory, what it wrote or measured."""
    table = frame(records).drop(columns=["model", "stage"])
    table["cosine_min"] = table["cosine_min"].map("{:.7f}".format, na_action="ignore").fillna("")
    return table.to_markdown(index=False, disable_numparse=True)


def markdown(records):
    commits = ", ".join(sorted({record["commit"] for record in records}))
    return f"""# Full-size models, stage by stage

Written by `make bench-models`, at commit {commits}. The weights are random (`tools/make_twin.py
--outliers`): times, memory and sizes are those of the real models, and so is the parity of `fp32`;
the cosines of `int8w` say nothing of trained weights.

{summary(records)}

`memory GB` is the peak of one process, `disk GB` all that the stages leave in `data` for `fp32`,
`fp16w` and `int8w`. `reference` and `evaluate` run on a few pictures and captions; their time
grows with `evalset`.

## Every process

{processes(records)}
"""
