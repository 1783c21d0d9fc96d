"""Make a quantised file of a tower from its fp32 one.

    python -m stages.quantize data/models/MODEL/TOWER/fp32 ENCODING data/evalset \\
        data/reference/MODEL data/models/MODEL/TOWER/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is a module of stages/schemes. What it
looks at is the calibration split of data/evalset, as the reference saw it.
"""

import argparse
from pathlib import Path

from stages import command, encoding
from stages.calibration import Calibration
from stages.schemes import dynamic, static, weight_only


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("encoding")
    for name in ("evalset", "reference", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()

    def calibrated(encode):
        def encode_with_split(model, settings):
            tower = model.metadata_props["graph"]
            split = Calibration(arguments.evalset, arguments.reference, tower)
            return encode(model, settings, split)

        return encode_with_split

    schemes = {
        "weight_only": calibrated(weight_only.encode),
        "dynamic": dynamic.encode,
        "static": calibrated(static.encode),
    }
    encoding.build(arguments.model, arguments.encoding, arguments.output, schemes)


if __name__ == "__main__":
    command.run(main)
