"""What every stage's command line shares: one-line errors, and outputs that appear whole."""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clip_onnx.names import TOWERS


class Refusal(Exception):
    """Bad input. The message is one line: it names the thing and the remedy."""


def first_line(error: BaseException) -> str:
    """What a library's exception says, for a message of one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def run(main: Callable[[], Any]) -> None:
    """Run a stage's `main`; a Refusal becomes `error: …` on stderr and exit status 1."""
    try:
        main()
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(1)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def output(path: str | Path, directory: bool = True) -> Iterator[Path]:
    """A temporary sibling of `path` to write to, renamed to `path` when the block succeeds."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    if directory:
        partial.mkdir()
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    _remove(path)
    os.replace(partial, path)


def output_file(path: str | Path) -> contextlib.AbstractContextManager[Path]:
    """`output` for a single file."""
    return output(path, directory=False)


def add_towers(parser: argparse.ArgumentParser) -> None:
    """Options --visual IN OUT and --textual IN OUT; `towers` reads them."""
    for tower in TOWERS:
        parser.add_argument(f"--{tower}", nargs=2, type=Path, metavar=("IN", "OUT"))


def towers(arguments: argparse.Namespace) -> dict[str, tuple[Path, Path]]:
    """{tower: (model to read, model to write)} of those that a command line names."""
    found = {tower: getattr(arguments, tower) for tower in TOWERS}
    found = {tower: tuple(paths) for tower, paths in found.items() if paths}
    if not found:
        raise Refusal("no tower is named: give --visual IN OUT, --textual IN OUT, or both")
    return found
