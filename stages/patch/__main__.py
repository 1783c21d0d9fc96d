"""Make exported graphs into what a profile's runtimes run best.

    python -m stages.patch std --visual data/export/MODEL/visual data/patch/MODEL/visual/std \\
        --textual data/export/MODEL/textual data/patch/MODEL/textual/std
    python -m stages.patch PROFILE --visual data/export/MODEL/visual \\
        data/models/MODEL/visual/PROFILE --textual …
    python -m stages.patch --list          the patches that a profile may name

`profiles.PROFILE` of params.yaml lists the patches and says the rest. The files of `std` are read
by the stages that encode them, their weights outside; those of other profiles are finished. A tower
whose activation a profile's runtimes lack is absent there (clip_onnx/absent.py).
"""

import argparse

import numpy as np
import onnx

from clip_onnx import absent, command, graphs
from clip_onnx.names import STD
from clip_onnx.settings import params
from stages.patch import patches, profile


class ListPatches(argparse.Action):
    """Print every patch and leave, as --help does."""

    def __call__(self, parser, *_):
        for name, summary in patches.summaries().items():
            print(f"{name:20} {summary}")
        parser.exit()


def build(name, settings, source, output):
    """Patch the model of a directory into another."""
    model = graphs.load(source)
    try:
        beside = profile.apply(model, settings)
    except absent.Absent as absence:
        if name == STD:
            raise command.Refusal(f"{output}: {absence.reason}: add it to profiles.{STD}") from None
        print(f"{output}: {absence.reason}; nothing is built there")
        raise
    graphs.describe(model, profile=name)
    if name != STD:
        graphs.describe(model, variant=name)
    with command.output(output) as directory:
        graphs.save(model, directory, external=True if name == STD else None)
        for file, array in beside.items():
            np.save(directory / file, array)
        onnx.checker.check_model(directory / graphs.FILE, full_check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("profile")
    command.add_towers(parser)
    parser.add_argument("--list", action=ListPatches, nargs=0, help="print the patches and leave")
    arguments = parser.parse_args()
    settings = params.lookup(params.load().profiles, arguments.profile, "profiles")
    for source, output in command.towers(arguments).values():
        with absent.passed_on(output):
            build(arguments.profile, settings, source, output)


if __name__ == "__main__":
    command.run(main)
