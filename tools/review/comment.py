"""The comment on a pull request: what a branch does to metrics and parameters.

Broken floors come first, those of other runtimes that held before among them; then the files, what
fell most before the rest, the parameters and the packages that differ from a revision's. Prose is
kept short: it is read on every pull request.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from clip_onnx import command
from clip_onnx.settings import params
from tools import floors
from tools.review import changes, revision

MARKER = "<!-- clip-onnx: parity -->"  # by which `make post` finds the comment again
PARITY, CONTROLS = "metrics/parity.json", "metrics/controls.json"
RUNTIMES = "metrics/runtimes.json"
SETTINGS, PINS = "params.yaml", "data/pins.json"


class State(NamedTuple):
    """The content of the files that are compared."""

    parity: dict
    controls: dict  # not compared: floors are judged by them
    runtimes: dict
    parameters: dict  # by dotted keys
    pins: dict


def state(read, where):
    """The files as `read(path)` gives their texts; None is a file that is not there."""
    texts = {path: read(path) for path in (PARITY, CONTROLS, RUNTIMES, SETTINGS, PINS)}
    for path in (PARITY, SETTINGS):
        if texts[path] is None:
            raise command.Refusal(f"{where} has no {path}: choose a revision that has it")
    try:
        paths = (PARITY, CONTROLS, RUNTIMES, PINS)
        parity, controls, runtimes, pins = (json.loads(texts[path] or "{}") for path in paths)
        settings = yaml.safe_load(texts[SETTINGS])
    except (ValueError, yaml.YAMLError) as error:
        raise command.Refusal(f"{where}: {command.first_line(error)}: mend the file") from None
    return State(parity, controls, runtimes, changes.flat(settings), changes.flat(pins))


def here(path):
    return Path(path).read_text("utf-8") if Path(path).exists() else None


def section(title, table):
    return [f"#### {title}", changes.markdown(table)] if len(table) else []


def compared(title, old, new):
    """The sections of a table's changed, added and removed rows."""
    table = changes.changed(old, new)
    added = [key for key in new.index if key not in old.index]
    removed = [key for key in old.index if key not in new.index]
    return [
        *section(f"{title}: {len(table)} changed", table),
        *section(f"{title}: {len(added)} added", changes.listed(new, added)),
        *section(f"{title}: {len(removed)} removed", changes.listed(old, removed)),
    ]


def differences(old, new):
    """Sections on everything that differs between two states; none if nothing does."""
    tables = [changes.files(old.parity), changes.files(new.parity)]
    foreign = [changes.runtimes(old.runtimes), changes.runtimes(new.runtimes)]
    return [
        *compared("Files", *tables),
        *compared("Other runtimes", *foreign),
        *section("Parameters", changes.parameters(old.parameters, new.parameters)),
        *section("Packages", changes.parameters(old.pins, new.pins)),
    ]


def verdict(before, now, settings):
    """A section that names every broken floor of a state; of other runtimes, the newly broken."""
    held = {one.key for one in floors.in_runtimes(before.runtimes, settings) if one.holds}
    judged = [
        *floors.judged(now.parity, now.controls, settings),
        *(one for one in floors.in_runtimes(now.runtimes, settings) if one.key in held),
    ]
    broken = [one for one in judged if not one.holds]
    rows = [(f"`{one.key}`", one.metric, one.value, one.bound) for one in broken]
    table = pd.DataFrame(rows, columns=["file", "figure", "value", "floor"], dtype=object)
    table["value"] = table["value"].fillna("not measured").astype(str)
    return section(f"Broken floors: {len(broken)}", table)


def comment(name):
    """Markdown that compares the working tree with a revision."""
    sha = revision.commit(name)
    old, new = state(lambda path: revision.read(sha, path), name), state(here, "the working tree")
    against = f"`{name}` ({sha[:7]})"
    sections = verdict(old, new, params.load()) + differences(old, new)
    if not sections:
        return (
            f"{MARKER}\nNo change against {against}: metrics, parameters and packages are equal.\n"
        )
    return "\n\n".join([f"{MARKER}\n### Parity against {against}", *sections]) + "\n"
