"""Turn the lock into params that single stages can depend on.

    python -m stages.pins requirements.in requirements.lock data/pins.json

Stages name the packages that shape their bytes under `params: data/pins.json` in dvc.yaml, so an
upgrade reruns those that use the package and no others. Refuses to go on when a package is
installed in another version than the lock's.
"""

import argparse
import json
import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from stages import command


def direct(requirements):
    """Names of the packages of a requirements.in, in its spelling."""
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    return [re.match(r"[A-Za-z0-9._-]+", line)[0] for line in lines if line]


def versions(lock):
    """{name: version} of every pin of a requirements.lock that is meant for this Python."""
    lines = re.findall(r"^[a-z0-9._-]+==[^\\\n]+", lock, re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    return {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def installed_versions(name):
    """The spellings of a package's version: with its local part (`+cpu`) and without."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return ["none"]
    return [version, version.split("+")[0]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("requirements", "lock", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    locked = versions(arguments.lock.read_text())
    names = direct(arguments.requirements.read_text())
    for name in names:
        if name not in locked:
            raise command.Refusal(f"{arguments.lock} lacks {name}: run `make lock`")
        if locked[name] not in installed_versions(name):
            raise command.Refusal(
                f"{arguments.lock} pins {name} {locked[name]}, installed is"
                f" {installed_versions(name)[0]}: run `make`"
            )
    pins = {name: locked[name] for name in names}
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    command.run(main)
