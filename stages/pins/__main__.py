"""Turn the lock into params that single stages can depend on.

    python -m stages.pins requirements.in requirements.lock data/pins.json

Packages stand in groups, the headings of requirements.in. Stages name the groups that shape their
bytes under `params: data/pins.json` in dvc.yaml, so an upgrade reruns those that use the group and
no others. Refuses to go on when a package is installed in another version than the lock's, and when
params.yaml is wrong: all other stages come after this one, so none sees what it has not checked.
"""

import argparse
import json
from pathlib import Path

from clip_onnx import command
from clip_onnx.settings import params
from stages.pins import packages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("requirements", "lock", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    params.load()
    locked = packages.versions(arguments.lock.read_text("utf-8"))
    requirements = arguments.requirements.read_text("utf-8")
    for name in packages.direct(requirements):
        if name not in locked:
            raise command.Refusal(f"{arguments.lock} lacks {name}: run `make lock`")
        if locked[name] not in packages.installed_versions(name):
            raise command.Refusal(
                f"{arguments.lock} pins {name} {locked[name]}, installed is"
                f" {packages.installed_versions(name)[0]}: run `make`"
            )
    groups = packages.groups(requirements)
    pins = {group: {name: locked[name] for name in names} for group, names in groups.items()}
    with command.output_file(arguments.output) as partial:
        partial.write_text(
            json.dumps(pins, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8"
        )


if __name__ == "__main__":
    command.run(main)
