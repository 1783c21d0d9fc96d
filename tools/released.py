"""Fetch released models, so that the site shows what is published.

    python -m tools.released build/released OWNER/NAME[@REVISION] …

Repositories are those of a model hub that `make publish` uploaded to; a revision is a branch, a tag
or a commit. Each file is compared with its digest in SHA256SUMS, and what is not listed there stays
away. The folder then holds a bundle each, under its model's name, and none of an earlier run; where
anything is wrong, it stays as it was.
"""

import argparse
import contextlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import TypeAdapter, ValidationError

from clip_onnx import command
from clip_onnx.names import METRICS
from tools import sums
from tools.release import SUMS
from web import bundles

GOLDEN = "golden.json"
LIST = "released.json"  # what a run fetched: {model: OWNER/NAME@COMMIT}
NAMES = TypeAdapter(dict[bundles.Name, str])


class Release(NamedTuple):
    """A repository at a commit: its folder in the hub's cache, and the files that it lists."""

    place: str
    folder: Path
    listed: dict  # {path: SHA-256}


@contextlib.contextmanager
def told(place):
    """What a model hub, or the way to it, refuses is a Refusal."""
    try:
        yield
    except HfHubHTTPError as error:
        raise command.Refusal(
            f"{place}: the hub answers {error.response.status_code} for it: correct the name,"
            f" publish it with its {SUMS} by `make publish`, or set HF_TOKEN if it is private"
        ) from None
    except (HFValidationError, UnicodeError) as error:
        raise command.Refusal(
            f"{place}: {command.first_line(error)}: name it OWNER/NAME or OWNER/NAME@REVISION"
        ) from None
    except (httpx2.HTTPError, ConnectionError, LocalEntryNotFoundError) as error:
        raise command.Refusal(
            f"{place}: the hub cannot be reached ({command.first_line(error)}): try again"
        ) from None


def anew(place, what):
    return command.Refusal(f"{place}: {what}: publish it anew")


def digests(path, place):
    """{path: SHA-256} of a SHA256SUMS, no name of which leads out of its folder."""
    try:
        listed = NAMES.validate_python(sums.read(path))
    except ValueError:  # pydantic's, too
        raise anew(place, f"its {SUMS} is of another form") from None
    for name in (GOLDEN, METRICS):
        if name not in listed:
            raise anew(place, f"its {SUMS} lists no {name}")
    return listed


def check(release):
    """Raise Refusal unless the listed files are there as they were published."""
    for name, digest in release.listed.items():
        if not (release.folder / name).is_file():
            raise anew(release.place, f"{name} of its {SUMS} is missing")
        if sums.sha256(release.folder / name) != digest:
            raise anew(release.place, f"{name} has another digest than in {SUMS}")


def downloaded(place):
    """The Release of OWNER/NAME[@REVISION], as the hub has it now, all as it was published."""
    repository, _, revision = place.partition("@")
    api = huggingface_hub.HfApi()
    with told(place):
        commit = api.model_info(repository, revision=revision or None).sha
        path = Path(api.hf_hub_download(repository, SUMS, revision=commit))
    listed = digests(path, place)
    with told(place):
        api.snapshot_download(repository, revision=commit, allow_patterns=[*listed])
    release = Release(f"{repository}@{commit}", path.parent, listed)
    check(release)
    return release


def model_of(release):
    """The name of the model whose files a release holds."""
    try:
        golden = bundles.Listed.model_validate_json((release.folder / GOLDEN).read_bytes())
    except ValidationError:
        raise anew(release.place, f"its {GOLDEN} is of another form") from None
    names = {file.key.split(".")[0] for file in golden.files.values()}
    if len(names) != 1:
        raise anew(release.place, f"its {GOLDEN} names {len(names)} models instead of one")
    return names.pop()


def fetched(places):
    """{model: its Release} of repositories."""
    found = {}
    for place in places:
        release = downloaded(place)
        model = model_of(release)
        if model in found:
            raise command.Refusal(f"{place} and {found[model].place} are both of {model}: name one")
        found[model] = release
    return found


def earlier(output):
    """The models that an earlier run left in a folder. Raises Refusal if it holds anything else."""
    try:
        models = NAMES.validate_json((output / LIST).read_bytes())
    except (OSError, ValueError):  # there is none, or no run wrote it
        models = {}
    there = {path.name for path in output.iterdir()} if output.is_dir() else set()
    if output.is_file() or there - {*models, LIST}:
        raise command.Refusal(
            f"{output} holds something else, which would be lost: name a new folder"
        )
    return there & {*models}


def fetch(places, output):
    """Put the bundles of repositories into a folder. Returns {model: OWNER/NAME@COMMIT}."""
    old, releases = earlier(output), fetched(places)
    found = {model: release.place for model, release in releases.items()}
    with command.output(output) as folder:
        for model, release in releases.items():
            for name in release.listed:
                (folder / model / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(release.folder / name, folder / model / name)
        (folder / LIST).write_text(json.dumps(found, indent=1, allow_nan=False), "utf-8")
        for model in old - found.keys():
            shutil.rmtree(output / model, ignore_errors=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("repositories", nargs="+", metavar="OWNER/NAME[@REVISION]")
    arguments = parser.parse_args()
    for model, place in fetch(arguments.repositories, arguments.output).items():
        print(f"{arguments.output / model}: {place}")


if __name__ == "__main__":
    command.run(main)
