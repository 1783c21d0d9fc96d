"""Make a quantised file of a tower from its fp32 one.

    python -m stages.quantize data/models/MODEL/TOWER/fp32 ENCODING data/calibration/MODEL \\
        [--sensitivity data/sensitivity/MODEL.TOWER.json] data/models/MODEL/TOWER/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is a module of stages/schemes. It goes by
what stages/calibrate.py saw, and some schemes by the table of how much each weight means.
"""

import argparse
import json
from pathlib import Path

from stages import command, encoding, graph
from stages.calibration import Calibration
from stages.schemes import dynamic, mixed, static, weight_only

SCHEMES = {"weight_only": weight_only.encode, "static": static.encode}
BY_SENSITIVITY = {"mixed": mixed.encode, "dynamic": dynamic.encode}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("encoding")
    parser.add_argument("calibration", type=Path)
    parser.add_argument("--sensitivity", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    tower = graph.load(arguments.model).metadata_props["graph"]
    given = [Calibration(arguments.calibration, tower)]
    schemes = SCHEMES
    if arguments.sensitivity:
        given.append(json.loads(arguments.sensitivity.read_text()))
        schemes = BY_SENSITIVITY
    encoding.build(arguments.model, arguments.encoding, arguments.output, schemes, *given)


if __name__ == "__main__":
    command.run(main)
