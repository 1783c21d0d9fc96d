"""Make a quantised file of a tower from its fp32 one.

    python -m stages.quantize data/models/MODEL/TOWER/fp32 ENCODING data/models/MODEL/TOWER/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is a module of stages/schemes.
"""

from stages import command, encoding
from stages.schemes import dynamic, weight_only

SCHEMES = {"weight_only": weight_only.encode, "dynamic": dynamic.encode}


def main():
    encoding.main(__doc__, SCHEMES)


if __name__ == "__main__":
    command.run(main)
