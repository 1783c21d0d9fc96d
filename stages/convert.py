"""Make the fp32 file of a tower, or its half-precision one.

    python -m stages.convert data/patch/MODEL/TOWER/std ENCODING data/models/MODEL/TOWER/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is `none` or `half`.
"""

from stages import command, encoding
from stages.schemes import half

SCHEMES = {"none": lambda model, _: model, "half": half.encode}


def main():
    encoding.main(__doc__, SCHEMES)


if __name__ == "__main__":
    command.run(main)
