"""A graph that a model does not have: a file in its folder says so, and why.

A checkpoint may hold one tower alone. Every folder that dvc.yaml names is written all the same:
that of the other tower, and of what would be made of it, holds ABSENT and no model. Who loads a
graph from there gets an `Absent`, one line of error; a stage that would make something of it makes
that absent, too (`passed_on`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from clip_onnx import command
from clip_onnx.names import ABSENT


class Absent(command.Refusal):
    """There is no such graph; `reason` is one line."""

    def __init__(self, reason: str, place: str | Path = "") -> None:
        super().__init__(": ".join(filter(None, (str(place), reason))))
        self.reason = reason


def tower(name: str) -> Absent:
    """What is raised where a checkpoint lacks a tower."""
    return Absent(f"the checkpoint has no {name} tower")


def why(directory: str | Path) -> str:
    """The reason why a folder holds no graph, "" where it is not said to hold none."""
    file = Path(directory) / ABSENT
    return file.read_text("utf-8").strip() if file.is_file() else ""


def check(directory: str | Path) -> None:
    """Raise Absent for a folder that is said to hold no graph."""
    if reason := why(directory):
        raise Absent(reason, directory)


def write(directory: Path, absence: Absent) -> None:
    """Say in an empty folder that it holds no graph."""
    (directory / ABSENT).write_text(f"{absence.reason}\n", "utf-8")


@contextlib.contextmanager
def passed_on(output: str | Path) -> Iterator[None]:
    """Where the block finds a graph absent, what it would write to the folder `output` is, too."""
    try:
        yield
    except Absent as absence:
        with command.output(output) as directory:
            write(directory, absence)
