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

from clip_onnx import command
from clip_onnx.measure import inputs
from clip_onnx.settings import params
from stages.evalset import captions, collection, drawings, stored


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photographs")
    parser.add_argument("captions")
    parser.add_argument("output")
    arguments = parser.parse_args()
    settings = params.load().evalset
    texts = captions.read(arguments.captions)
    texts["prompts"] = len(drawings.LABELS)
    rows = collection.photographs(arguments.photographs)
    collection.check_amounts(arguments.photographs, rows, settings)
    index, shapes = [], {}
    for *row, pixels in collection.pictures(rows, settings):
        index.append(dict(zip(("name", "source", "split", "label"), row, strict=True)))
        shapes[row[0]] = pixels.shape
    with command.output(arguments.output) as directory:
        inputs.write(directory, index, texts)
        again = ((name, pixels) for name, *_, pixels in collection.pictures(rows, settings))
        stored.write(directory / inputs.PICTURES_FILE, shapes, again)


if __name__ == "__main__":
    command.run(main)
