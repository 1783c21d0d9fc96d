"""What differs between two states of metrics and parameters, as tables for people.

Cells read `old → new` where something changed. Worst cosines are shown as their distance from 1 in
units of 1e-6, so that three digits tell them apart.
"""

import json
import math

import pandas as pd

from stages.report.columns import decibels
from tools import floors

DIGIT = 1e-7  # cosines carry seven
MOST_CHARACTERS = 6000  # of one table, of nine: a comment on GitHub holds 65536


def _distance(cosine):
    return f"{(1 - cosine) * 1e6:.1f}"


def _short(text):
    """Any text as a cell of a table."""
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 60 else f"{text[:59]}…"


COLUMNS = {
    "cosine_min": ("1 − worst cosine, 1e-6", _distance),
    "runtime_cosine": ("the runtime's own part, 1e-6", _distance),
    "snr_db": ("SNR, dB", decibels),
    "size_mb": ("MB", "{:.3f}".format),
    "accuracy": ("accuracy", "{:.4f}".format),
    "reason": ("does not run", _short),
}


def files(parity):
    """A row a file (`model.graph.variant`), a column a figure; known answers are rows as well."""
    return pd.DataFrame.from_dict(floors.files(parity), orient="index", dtype=object)


def runtimes(metrics):
    """The same of metrics/runtimes.json: a row a file and runtime."""
    tables = [pd.DataFrame()]
    for name, models in metrics.items():
        table = files(models).rename(columns={"cosine": "cosine_min"})
        tables.append(table.set_axis([f"{key} in {name}" for key in table.index]))
    return pd.concat(tables)


def flat(value, place=""):
    """{dotted key: value} of nested dictionaries; lists are values."""
    if not isinstance(value, dict) or not value:
        return {place: value}
    found = {}
    for key, child in value.items():
        found |= flat(child, f"{place}.{key}" if place else str(key))
    return found


def _same(old, new):
    return (pd.isna(old) and pd.isna(new)) or old == new


def _arrow(old, new, formatter=str):
    shown = ["–" if pd.isna(value) else formatter(value) for value in (old, new)]
    return shown[0] if _same(old, new) else " → ".join(shown)


def _others(old, new):
    """Changed figures that have no column."""
    names = [name for name in new.index if name not in COLUMNS]
    changed = [name for name in names if not _same(old[name], new[name])]
    return ", ".join(f"{name} {_arrow(old[name], new[name])}" for name in changed)


def _row(key, old, new):
    cells = {"file": f"`{key}`"}
    for name, (title, formatter) in COLUMNS.items():
        if name in new.index:
            both_missing = pd.isna(old[name]) and pd.isna(new[name])
            cells[title] = "" if both_missing else _arrow(old[name], new[name], formatter)
    return cells | {"others": _others(old, new)}


def _growth(old, new):
    """How many times as far from 1 the worst cosine is; infinity where there is none any more."""
    before, after = old.get("cosine_min"), new.get("cosine_min")
    if pd.isna(after):
        return 0 if pd.isna(before) else math.inf
    return 0 if pd.isna(before) else (1 - after) / max(1 - before, DIGIT)


def changed(old, new):
    """Rows of the files that are in both tables and differ, what fell most before the rest."""
    columns = new.columns.union(old.columns, sort=False)
    old, new = old.reindex(columns=columns), new.reindex(columns=columns)
    keys = [key for key in new.index if key in old.index]
    differ = [k for k in keys if not all(map(_same, old.loc[k], new.loc[k]))]
    differ.sort(key=lambda key: -_growth(old.loc[key], new.loc[key]))
    return pd.DataFrame([_row(key, old.loc[key], new.loc[key]) for key in differ])


def listed(table, keys):
    """Rows of some files as they are."""
    rows = [_row(key, table.loc[key], table.loc[key]) for key in keys]
    return pd.DataFrame(rows).drop(columns="others", errors="ignore")


def _value(value):
    """A parameter for a cell of a table, whatever characters it holds."""
    text = _short(json.dumps(value, ensure_ascii=False, allow_nan=False))
    return "`" + text.replace("`", "'") + "`"


def parameters(old, new):
    """Rows of the parameters that differ, of two dictionaries of dotted keys."""
    keys = [key for key in {**old, **new} if old.get(key, key) != new.get(key, key)]
    shown = {
        side: [_value(given[k]) if k in given else "–" for k in keys]
        for side, given in (("old", old), ("new", new))
    }
    return pd.DataFrame({"parameter": [f"`{key}`" for key in keys], **shown})


def markdown(table):
    """The table without empty columns, cut where it is too long for a comment."""
    kept = [name for name in table if (table[name] != "").any()]
    lines = table[kept].to_markdown(index=False, disable_numparse=True).split("\n")
    rows = max(1, MOST_CHARACTERS // (len(lines[0]) + 1) - 2)
    left_out = len(lines) - 2 - rows
    text = "\n".join(lines[: rows + 2])
    return text if left_out <= 0 else f"{text}\n\n… and {left_out} more"
