"""Make the fp32 file of a tower, or its half-precision one.

    python -m stages.convert data/patch/MODEL/TOWER/std ENCODING data/models/MODEL/TOWER/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is `none` or `half`.
"""

import argparse

from stages import command, encoding
from stages.schemes import half

SCHEMES = {"none": lambda model, _: model, "half": half.encode}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "encoding", "output"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    encoding.build(arguments.model, arguments.encoding, arguments.output, SCHEMES)


if __name__ == "__main__":
    command.run(main)
