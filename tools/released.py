"""Fetch released models, so that the site shows what is published.

    python -m tools.released build/released OWNER/NAME[@REVISION] …

Repositories are those of a model hub that `make publish` uploaded to; a revision is a branch, a tag
or a commit. Each file is compared with its digest in SHA256SUMS, and what is not listed there stays
away. The folder then holds a bundle each, under its model's name, and none of an earlier run.
"""

import argparse
import contextlib
import shutil
from pathlib import Path
from typing import Annotated

import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import StringConstraints, TypeAdapter, ValidationError

from clip_onnx import command
from tools.release import SUMS, checksum
from web import bundles

GOLDEN = "golden.json"
DIGESTS = TypeAdapter(
    dict[bundles.Name, Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]]
)


@contextlib.contextmanager
def told(place):
    """What a model hub, or the way to it, refuses is a Refusal."""
    try:
        yield
    except LocalEntryNotFoundError:
        raise command.Refusal(f"{place}: the hub cannot be reached: try again") from None
    except HFValidationError as error:
        raise command.Refusal(f"{place}: {command.first_line(error)}") from None
    except HfHubHTTPError as error:
        raise command.Refusal(
            f"{place}: the hub answers {error.response.status_code} for it: correct the name,"
            f" publish it with its {SUMS} by `make publish`, or set HF_TOKEN if it is private"
        ) from None
    except httpx2.HTTPError as error:
        raise command.Refusal(
            f"{place}: the hub cannot be reached ({command.first_line(error)}): try again"
        ) from None


def anew(place, what):
    return command.Refusal(f"{place}: {what}: publish it anew")


def digests(path, place):
    """{path: SHA-256} of what `sha256sum` wrote."""
    try:
        lines = path.read_text("utf-8").splitlines()
        rows = [line.split("  ", 1)[::-1] for line in lines]
        return DIGESTS.validate_python(dict(rows))
    except (ValueError, ValidationError):
        raise anew(place, f"its {SUMS} is of another form") from None


def check(folder, listed, place):
    """Raise Refusal unless the listed files are there as they were published."""
    for name, digest in listed.items():
        if not (folder / name).is_file():
            raise anew(place, f"{name} of its {SUMS} is missing")
        if checksum(folder / name) != digest:
            raise anew(place, f"{name} has another digest than in {SUMS}")


def model_of(folder, place):
    """The name of the model whose files a bundle holds."""
    try:
        golden = bundles.Golden.model_validate_json((folder / GOLDEN).read_bytes())
    except ValidationError:
        raise anew(place, f"its {GOLDEN} is of another form") from None
    names = {file.key.split(".")[0] for file in golden.files.values()}
    if len(names) != 1:
        raise anew(place, f"its {GOLDEN} names {len(names)} models instead of one")
    return names.pop()


def downloaded(place):
    """(the folder of OWNER/NAME[@REVISION], {path: SHA-256} of its files), all as published."""
    repository, _, revision = place.partition("@")
    api = huggingface_hub.HfApi()
    with told(place):
        sums = Path(api.hf_hub_download(repository, SUMS, revision=revision or None))
    listed, commit = digests(sums, place), sums.parent.name
    if GOLDEN not in listed:
        raise anew(place, f"its {SUMS} lists no {GOLDEN}")
    with told(place):
        api.snapshot_download(repository, revision=commit, allow_patterns=[*listed])
    check(sums.parent, listed, place)
    return sums.parent, listed


def fetch(places, output):
    """Put the bundles of repositories into a folder, each under its model's name."""
    found = {}
    for place in places:
        source, listed = downloaded(place)
        model = model_of(source, place)
        if model in found:
            raise command.Refusal(f"{place} and {found[model]} are both of {model}: name one")
        found[model] = place
        with command.output(output / model) as folder:
            for name in listed:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, folder / name)
    for path in output.glob(f"*/{GOLDEN}"):
        if path.parent.name not in found:
            shutil.rmtree(path.parent)
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
