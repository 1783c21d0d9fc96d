"""What every stage's command line shares: one-line errors, and outputs that appear whole."""

import argparse
import contextlib
import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from clip_onnx.names import ABSENT, DATA_FILE, FILE, NETWORK, PREPARATION, PROJECTION, TOWERS


class Refusal(Exception):
    """Bad input. The message is one line: it names the thing and the remedy."""


# What an output's folder may hold or not.
SOMETIMES = {DATA_FILE, PROJECTION, ABSENT, PREPARATION, NETWORK}
LONGEST = 1000  # characters of a message
INTERRUPTED = 130  # exit status: 128 and the signal's number
NOTHING_LEFT = "interrupted: nothing half-written is left"
MEMORY = "not enough memory: give it more, or choose a smaller model"
OUT_OF_MEMORY = re.compile("bad_alloc|bad allocation|DefaultCPUAllocator")  # of C++ libraries'
REMEDIES = {
    errno.ENOSPC: "make room, then run it again",
    errno.EDQUOT: "make room, then run it again",
    errno.EFBIG: "raise the limit of a file's size, then run it again",
    errno.EROFS: "work where it can be written",
    errno.EACCES: "give yourself the right to it, or work elsewhere",
    errno.EPERM: "give yourself the right to it, or work elsewhere",
    errno.ENOENT: "name what is there, or build it first",
    errno.EISDIR: "a file belongs there: move the folder away",
    errno.ENOTDIR: "a folder belongs there: move the file away",
    errno.EEXIST: "move it away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOMEM: "give it more memory",
    errno.EIO: "the disk or its connection fails: look after it",
}


def one_line(text: object) -> str:
    """A text as a terminal shows it safely: one line of printable characters, cut if it is long."""
    shown = "".join(c if c.isprintable() else " " for c in str(text))
    shown = " ".join(shown.split())
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def first_line(error: BaseException) -> str:
    """What a library's exception says, for a message of one line."""
    return one_line((str(error).splitlines() or [type(error).__name__])[0])


def system_error(error: BaseException) -> tuple[int, str] | None:
    """(errno or 0, the file's name or "") of what the system refused; None if it is something else.

    Of two names, the second is what was to be written.

    safetensors and tokenizers raise exceptions of their own, which end in `(os error 28)`.
    """
    if isinstance(error, OSError):
        names = [name for name in (error.filename, error.filename2) if name is not None]
        return error.errno or 0, os.fsdecode(names[-1]) if names else ""
    found = re.search(r"\(os error (\d+)\)", str(error)) if isinstance(error, Exception) else None
    return (int(found[1]), "") if found else None


def run(main: Callable[[], Any]) -> None:
    """Run a stage's `main`; what is wrong becomes `error: …`, one line on stderr, and a status.

    Refusals, and what the system refuses: a disk that is full or read-only, a path that is not
    there or is something else, too little memory.
    """
    try:
        main()
    except Refusal as refusal:
        _end(refusal)
    except BrokenPipeError:  # who reads our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _end(NOTHING_LEFT, INTERRUPTED)
    except MemoryError:
        _end(MEMORY)
    except subprocess.CalledProcessError as error:
        _end(f"{shlex.join(map(str, error.cmd))} failed ({error.returncode}): see what it printed")
    except Exception as error:
        found = system_error(error)
        if OUT_OF_MEMORY.search(str(error)):
            _end(MEMORY)
        if type(error).__module__.split(".")[0] == "dvc":  # it says in a line what is wrong
            _end(error)
        if found is None:
            raise
        number, name = found
        reason = os.strerror(number) if number else getattr(error, "strerror", None)
        reason = reason or first_line(error)
        remedy = REMEDIES.get(number, "see to that, then run it again")
        _end(": ".join(filter(None, (name, reason, remedy))))


def say_interruptions() -> None:
    """From here on an interruption outside of `run`, while modules are loaded, is a line, too."""
    others = sys.excepthook

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(f"error: {NOTHING_LEFT}", file=sys.stderr)
        else:
            others(kind, error, trace)

    sys.excepthook = say


def _end(message: object, status: int = 1) -> None:
    print(f"error: {one_line(message)}", file=sys.stderr)
    sys.exit(status)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def output(path: str | Path, directory: bool = True) -> Iterator[Path]:
    """A temporary sibling of `path` to write to, renamed to `path` when the block succeeds.

    What lies at `path` is replaced if it can be an earlier output: a file, or a folder without
    names in it that the new one cannot have. Raises Refusal for anything else, which stays.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    _check_replaceable(path, directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    if directory:
        partial.mkdir()
    try:
        yield partial
        if directory:
            _check_names(path, partial)
        _remove(path)
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            _remove(partial)
        found = system_error(error)
        if found and not found[1]:
            number = found[0]
            reason = os.strerror(number) if number else first_line(error)
            raise OSError(number, reason, str(path)) from error
        raise


def _check_replaceable(path: Path, directory: bool) -> None:
    kind = "folder" if directory else "file"
    fits = path.is_dir() and not path.is_symlink() if directory else not path.is_dir()
    if path.exists() and not fits:
        raise Refusal(f"{path} is there and no {kind}: name another output, or move it away")


def _check_names(path: Path, new: Path) -> None:
    old = {one.name for one in path.iterdir()} if path.is_dir() else set()
    names = {one.name for one in new.iterdir()}
    instead = {FILE} if ABSENT in names else set()
    if others := sorted(old - SOMETIMES - names - instead):
        raise Refusal(
            f"{path} holds {others[0]!r}, which no output has: name another, or move it away"
        )


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
