"""Show that the built files are the same bytes on any CPU.

    python -m tools.portable [--models=MODEL …] [REPORT]           here, and here as on an old CPU
    python -m tools.portable [--models=MODEL …] --write FILE       here: the list of SHA-256
    python -m tools.portable [--models=MODEL …] --against FILE [REPORT]
                                                                   here, and where the list is from
    python -m tools.portable --against FILE --against FILE [REPORT]
                                                                   lists of several machines

Every build is `dvc repro` from nothing in a clone of HEAD in a temporary folder. Lists are
sha256sum's. REPORT, else build/portable.md, names the files that differ; so does the exit status.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import pandas as pd

from clip_onnx import command
from tools import fresh, old_cpu, sums, tensors

REPORT = Path("build/portable.md")
HERE, OLD = "this machine", "as an old CPU"
MEASURED = "this-machine"  # the tag of what was measured there
COMMIT = (  # whatever this machine asks of a commit; nobody sees this one
    *("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgSign=false"),
    *("commit", "--quiet", "--allow-empty", "--no-verify", "--message=measured"),
)


def write_list(path, digests):
    with command.output_file(path) as file:
        file.write_text(sums.text(digests), "utf-8")


def read_list(path):
    """{path: SHA-256} of a list that `--write` wrote, or sha256sum."""
    if not path.is_file():
        raise command.Refusal(f"{path} is not there: make portable WRITE={path} writes it")
    try:
        return sums.read(path)
    except ValueError as error:
        raise command.Refusal(f"{path}:{command.first_line(error)}") from None


def differing(sides):
    """The paths that not every side of {name: {path: SHA-256}} has with the same bytes."""
    for name, digests in sides.items():
        if not digests:
            raise command.Refusal(f"{name}: no files, so that nothing is compared")
    paths = sorted(set().union(*sides.values()))
    return [path for path in paths if len({side.get(path) for side in sides.values()}) > 1]


def table(sides, folders=()):
    """A row a file that differs; with what differs in it where two clones hold both."""
    rows = [
        {"file": f"`{path}`"}
        | {name: digests.get(path, "missing")[:8] for name, digests in sides.items()}
        | ({"differs in": tensors.told(*(folder / path for folder in folders))} if folders else {})
        for path in differing(sides)
    ]
    return pd.DataFrame(rows)


def described(sides, found):
    count = len(set().union(*sides.values()))
    title = f"{', '.join(sides)}: {count} files, of which {len(found)} differ."
    if found.empty:
        return title
    return f"{title}\n\n{found.to_markdown(index=False, disable_numparse=True)}"


def moved(old, new):
    """`dvc metrics diff` from what one clone measured to what another did."""
    fresh.printed(old, "add", "--all")
    fresh.printed(old, *COMMIT)
    fresh.printed(new, "fetch", "--quiet", str(old.resolve()), f"HEAD:refs/tags/{MEASURED}")
    given = ("--precision", "10", "--no-path", "--md", MEASURED)
    worked, text = fresh.said(new, "dvc", "metrics", "diff", *given)
    only_a_head = worked and len(text.splitlines()) <= 2
    return "No figure differs." if only_a_head else text


@contextlib.contextmanager
def built(models, **variables):
    """A clone of HEAD in which everything has been built; removed at the end."""
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="portable-", dir="build") as folder:
        folder = Path(folder) / "clone"
        fresh.clone(folder, models)
        fresh.build(folder, **variables)
        yield folder


def by_settings(models):
    """(what differs here and as on an old CPU, told in full)."""
    with built(models) as here, built(models, **old_cpu.settings()) as old:
        sides = {HERE: fresh.digests(here), OLD: fresh.digests(old)}
        found = table(sides, (here, old))
        variables = " ".join(f"{name}='{value}'" for name, value in old_cpu.settings().items())
        parts = described(sides, found), f"An old CPU: `{variables}`", moved(here, old)
        return found, "\n\n".join(parts)


def by_lists(paths, models):
    """The same of lists; a single one is compared with what is built here."""
    sides = {str(path): read_list(path) for path in paths}
    if len(sides) == 1:
        with built(models) as here:
            sides[HERE] = fresh.digests(here)
    found = table(sides)
    return found, described(sides, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, nargs="?", default=REPORT)
    parser.add_argument("--models", action="append", default=[], metavar="MODEL")
    lists = parser.add_mutually_exclusive_group()
    lists.add_argument("--write", type=Path, metavar="FILE")
    lists.add_argument("--against", type=Path, action="append", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.write:
        with built(arguments.models) as here:
            write_list(arguments.write, fresh.digests(here))
        return
    arguments.report.unlink(missing_ok=True)
    models, lists = arguments.models, arguments.against
    found, text = by_lists(lists, models) if lists else by_settings(models)
    fresh.write(arguments.report, text)
    if len(found):
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
