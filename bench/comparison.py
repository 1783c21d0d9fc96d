"""The records of bench/encodings.json compared: who is smaller and closer, and as Markdown."""

from pathlib import Path

import pandas

RECORDS = Path("bench/encodings.json")
SAME_SIZE = 1.01  # metadata and names make one percent
BUSY = 1.15  # times the least that fp32 took beside any file of its tower


def key(record):
    return record["by"], record["model"], record["tower"], record["encoding"]


def closeness(record):
    """What orders files by parity; cosines carry 7 digits, the SNR tells apart those that agree."""
    return record["cosine_min"], record["snr_db"]


def no_larger(ours, peer):
    return ours["size_mb"] <= peer["size_mb"] * SAME_SIZE


def beats(ours, peer):
    """Whether one of our files is closer to OpenAI's code than a peer's, and no larger.

    A peer's file that does not load or gives no numbers has a size alone.
    """
    closer = peer["cosine_min"] is None or closeness(ours) > closeness(peer)
    return no_larger(ours, peer) and closer


def equals(ours, peer):
    """Whether a file of ours is no larger than a peer's and, in all digits kept, as close."""
    return no_larger(ours, peer) and closeness(ours) == closeness(peer)


def outdone(records):
    """(ours, peer) where a peer's file is closer, and no larger on disk or in memory."""
    for ours in (record for record in records if record["by"] == "ours"):
        for peer in of_tower(records, ours, "peer"):
            figures = "size_mb", "run_rss_mb"
            if None in (ours.get("run_rss_mb"), peer.get("run_rss_mb"), peer["cosine_min"]):
                continue  # measured before memory was, or does not run
            if any(peer[name] > ours[name] for name in figures):
                continue
            if closeness(peer) > closeness(ours):
                yield ours["encoding"], peer["encoding"]


def better(records, holds):
    """{key of a peer's file: those of ours of its tower for which it holds, the closest first}."""
    return {
        key(peer): sorted(
            (ours for ours in of_tower(records, peer, "ours") if holds(ours, peer)),
            key=closeness,
            reverse=True,
        )
        for peer in records
        if peer["by"] == "peer" and peer["size_mb"] is not None
    }


def dominated(records):
    """{key of a peer's file: our files of the same tower that beat it, the closest first}."""
    return better(records, beats)


def equalled(records):
    """The same of our files that are a peer's equal: two tools may do the same arithmetic."""
    return better(records, equals)


def of_tower(records, like, by):
    """Those records that are of the same model and tower as another."""
    return [
        record
        for record in records
        if (record["by"], record["model"], record["tower"]) == (by, like["model"], like["tower"])
    ]


def fp32(records, like):
    """The record of the fp32 file of the same tower."""
    (found,) = (r for r in of_tower(records, like, "ours") if r["encoding"] == "fp32")
    return found


def times(number, of):
    return None if None in (number, of) else number / of


def busy(record, group):
    """Whether other programs had the cores while a file of a tower was timed."""
    least = min(one["fp32_ms"] for one in group if one["fp32_ms"] is not None)
    return record["fp32_ms"] is not None and record["fp32_ms"] > BUSY * least


def ratios(record, group):
    """What a file of a tower costs, against the tower's fp32 file and against PyTorch.

    PyTorch's threads lose far more time than ONNX Runtime's when other programs want the cores,
    so its fastest run beside any of the tower's files counts: no busy hour can flatter a file.
    """
    base = fp32(group, record)
    pytorch = min(one["torch_ms"] for one in group if one["torch_ms"] is not None)
    return {
        "size_ratio": times(record["size_mb"], base["size_mb"]),
        "load_ratio": times(record["load_s"], base["load_s"]),
        "load_rss_ratio": times(record["load_rss_mb"], base["load_rss_mb"]),
        "run_rss_ratio": times(record.get("run_rss_mb"), base.get("run_rss_mb")),
        "run_ratio": times(record["run_ms"], pytorch),
        "fp32_run_ratio": times(record["run_ms"], record["fp32_ms"]),
        "several_ratio": times(record.get("run_8_ms"), record.get("fp32_8_ms")),
    }


def label(record):
    return f"{record['model']} (twin)" if record["synthetic"] else record["model"]


def shown(template, number):
    return "" if number is None else template.format(number)


def row(record, group):
    ratio = ratios(record, group)
    if busy(record, group):
        record = record | {"run_ms": None}
        ratio |= dict.fromkeys(("run_ratio", "fp32_run_ratio", "several_ratio"))
    return {
        "by": record["by"],
        "encoding": record["encoding"],
        "MB": shown("{:.2f}", record["size_mb"]),
        "worst cosine": shown("{:.7f}", record["cosine_min"]),
        "mean cosine": shown("{:.7f}", record["cosine_mean"]),
        "SNR, dB": shown("{:.1f}", record["snr_db"]),
        "load s": shown("{:.2f}", record["load_s"]),
        "load s / fp32": shown("{:.2f}×", ratio["load_ratio"]),
        "load MB": shown("{:.0f}", record["load_rss_mb"]),
        "load MB / fp32": shown("{:.2f}×", ratio["load_rss_ratio"]),
        "resident MB": shown("{:.0f}", record.get("run_rss_mb")),
        "resident MB / fp32": shown("{:.2f}×", ratio["run_rss_ratio"]),
        "run ms": shown("{:.2f}", record["run_ms"]),
        "run ms / PyTorch": shown("{:.2f}×", ratio["run_ratio"]),
        "run ms / fp32": shown("{:.2f}×", ratio["fp32_run_ratio"]),
        "8 at once, ms / fp32": shown("{:.2f}×", ratio["several_ratio"]),
    }


def table(rows):
    return pandas.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def towers(records):
    """[the records of one tower, the largest file first] in the records' order."""
    groups = {}
    for record in records:
        groups.setdefault((record["model"], record["tower"]), []).append(record)
    return [
        sorted(group, key=lambda record: -(record["size_mb"] or 0)) for group in groups.values()
    ]


def section(group):
    base = fp32(group, group[0])
    on = ", ".join(sorted({record["cpu"] for record in group if record.get("cpu")}))
    text = f"## {label(base)}, {base['tower']}\n\n" + (f"On a CPU: {on}.\n\n" if on else "")
    text += f"{table([row(r, group) for r in group])}\n"
    for record in group:
        if record.get("reason"):
            text += f"\n{record['by']}'s `{record['encoding']}`: {record['reason']}\n"
    return text


def best(place, records):
    """(name, record) of our closest file that beats a peer's, or else equals it."""
    for found, note in ((dominated(records), ""), (equalled(records), " (equal)")):
        if found[place]:
            return found[place][0]["encoding"] + note, found[place][0]
    return "none", {"size_mb": None, "cosine_min": None}


def summary(records):
    """A row a peer's file: the closest of ours that is no larger beside it."""
    rows = []
    for peer in (one for one in records if key(one) in dominated(records)):
        name, ours = best(key(peer), records)
        rows.append(
            {
                "tower": f"{label(peer)} {peer['tower']}",
                "other tools": peer["encoding"],
                "their MB": shown("{:.2f}", peer["size_mb"]),
                "their worst cosine": shown("{:.7f}", peer["cosine_min"]) or "does not run",
                "their SNR, dB": shown("{:.1f}", peer.get("snr_db")),
                "ours": name,
                "our MB": shown("{:.2f}", ours["size_mb"]),
                "our worst cosine": shown("{:.7f}", ours["cosine_min"]),
                "our SNR, dB": shown("{:.1f}", ours.get("snr_db")),
            }
        )
    return table(rows)


def markdown(records, by_use):
    """The page; `by_use` is the table of uses."""
    commits = ", ".join(sorted({record["commit"] for record in records}))
    sections = "\n".join(section(group) for group in towers(records))
    return f"""# Every encoding, and what other tools make

Written by `make bench NAME=encodings`, at commit {commits}; `bench/encodings.svg` is the picture.
Every file of a tower comes from the same fp32 one. The weights of twins are synthetic
(`tools/make_twin.py --outliers`): their sizes, times and memory are those of the real models, their
cosines compare encodings with each other and say nothing of trained weights.

`by` is `ours`, or `peer` for what others do today (`bench/peers.py`). `load s` is the creation of
ONNX Runtime's session, `load MB` the peak of memory meanwhile, `resident MB` what a process holds
after two runs of one input, Python and ONNX Runtime included (`bench/load.py`), `run ms` one
picture or one caption of 16 tokens on two threads, the fastest of many runs that took turns with
our `fp32` and with OpenAI's code in PyTorch (`bench/speed.py`). What follows a `/` is what the
multiple `×` is of: `fp32` is our file of the same tower. A blank stands where a tower was last
measured before that column was, and where `fp32` beside it took {BUSY} times its least, for other
programs had the cores. The `fp32` rows' own `run ms / fp32`
compare that file with itself: their distance from 1.00× is the noise.

## Which file for which use

The visual and the textual tower of vit-b-32's twin.

{by_use}

{sections}"""
