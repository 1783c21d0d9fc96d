"""Make an exported graph into what a profile's runtimes run best.

    python -m stages.patch data/export/MODEL/TOWER std data/patch/MODEL/TOWER/std
    python -m stages.patch data/export/MODEL/TOWER PROFILE data/models/MODEL/TOWER/PROFILE
    python -m stages.patch --list          the patches that a profile may name

`profiles.PROFILE` of params.yaml lists the patches and says the rest. The files of `std` are read
by the stages that encode them, their weights outside; those of other profiles are finished.
"""

import argparse

import numpy as np
import onnx

from stages import command, graph, params, patches, profiles


class ListPatches(argparse.Action):
    """Print every patch and leave, as --help does."""

    def __call__(self, parser, *_):
        for name, summary in patches.summaries().items():
            print(f"{name:20} {summary}")
        parser.exit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("profile")
    parser.add_argument("output")
    parser.add_argument("--list", action=ListPatches, nargs=0, help="print the patches and leave")
    arguments = parser.parse_args()
    profile = params.lookup(params.load().profiles, arguments.profile, "profiles")
    model = graph.load(arguments.model)
    beside = profiles.apply(model, profile)
    graph.describe(model, profile=arguments.profile)
    if arguments.profile != params.STD:
        graph.describe(model, variant=arguments.profile)
    with command.output(arguments.output) as directory:
        graph.save(model, directory, external=True if arguments.profile == params.STD else None)
        for name, array in beside.items():
            np.save(directory / name, array)
        onnx.checker.check_model(directory / graph.FILE, full_check=True)


if __name__ == "__main__":
    command.run(main)
