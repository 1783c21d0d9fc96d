"""Make an exported graph into what a profile's runtimes run best.

    python -m stages.patch data/export/MODEL/TOWER PROFILE data/patch/MODEL/TOWER/PROFILE

`profiles.PROFILE` of params.yaml lists the patches.
"""

import argparse

import onnx

from stages import command, graph, params, patches


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("profile")
    parser.add_argument("output")
    arguments = parser.parse_args()
    profile = params.lookup(params.load().profiles, arguments.profile, "profiles")
    model = graph.load(arguments.model)
    patches.apply(model, profile.patches)
    graph.describe(model, profile=arguments.profile)
    with command.output(arguments.output) as directory:
        graph.save(model, directory, external=True)
        onnx.checker.check_model(directory / graph.FILE, full_check=True)


if __name__ == "__main__":
    command.run(main)
