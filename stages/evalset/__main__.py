"""The inputs that parity is measured on, and the ones quantisers may look at.

    python -m stages.evalset PHOTOGRAPHS CAPTIONS data/evalset

PHOTOGRAPHS is a folder of pictures, or a table of scikit-image's bundled ones (file, source,
split). Every photograph gives itself and `evalset.crops` crops; all that come from one source
stand in one split. CAPTIONS is a text file, a caption a line; lines below `--- calibration ---`
calibrate, without that line every fourth does. Drawn, labelled pictures test zero-shot accuracy;
others, drawn from another seed, calibrate.

clip_onnx/measure/inputs.py says what is written.
"""

import argparse

from safetensors.numpy import save_file

from clip_onnx import command
from clip_onnx.measure import inputs
from clip_onnx.settings import params
from stages.evalset import collection, drawings


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photographs")
    parser.add_argument("captions")
    parser.add_argument("output")
    arguments = parser.parse_args()
    settings = params.load().evalset
    texts = collection.captions(arguments.captions)
    evaluated = [*collection.prompts(), *texts[inputs.EVALUATION]]
    texts[inputs.EVALUATION] = list(dict.fromkeys(evaluated))
    texts["prompts"] = len(drawings.LABELS)
    rows = list(collection.pictures(arguments.photographs, settings))
    with command.output(arguments.output) as directory:
        index = [
            dict(zip(("name", "source", "split", "label"), row[:4], strict=True)) for row in rows
        ]
        inputs.write(directory, index, texts)
        save_file({row[0]: row[4] for row in rows}, directory / inputs.PICTURES_FILE)


if __name__ == "__main__":
    command.run(main)
