"""Make an encoding of a model's towers: fp32, half precision, or fewer bits.

    python -m stages.encode ENCODING data/calibration/MODEL \\
        [--sensitivity data/sensitivity/MODEL] \\
        --visual data/patch/MODEL/visual/std data/models/MODEL/visual/ENCODING \\
        --textual data/patch/MODEL/textual/std data/models/MODEL/textual/ENCODING

`encodings.ENCODING` of params.yaml says how; its scheme is a module of stages/encode/schemes. It
goes by what `calibrate` saw, and with `--sensitivity` by how much each weight means.
"""

import argparse
import json
from pathlib import Path

from clip_onnx import absent, command, graphs
from clip_onnx.graphs import schema
from clip_onnx.measure.calibration import Calibration
from clip_onnx.settings import params
from clip_onnx.settings.grid import BY_SENSITIVITY
from stages.encode import schemes
from stages.encode.sensitivity import Sensitivity

KEPT = ("rounded", "widths", "target")  # of the metadata that a scheme writes


def build(name, encoding, source, output, calibration, folder):
    """Encode the model of a directory into another; `folder` says what weights mean, or is None."""
    model = graphs.load(source)
    sensitivity = folder and Sensitivity(folder, calibration.tower)
    properties = {**model.metadata_props, "variant": name}
    encoded = schemes.NAMED[encoding.scheme].encode(model, encoding, calibration, sensitivity)
    found = encoded.metadata_props
    properties |= {key: found[key] for key in KEPT if key in found}
    found.clear()  # of what the converters leave there
    graphs.describe(encoded, **properties)
    schema.check(encoded)  # a lower opset, which std may have, lacks what some schemes write
    with command.output(output) as directory:
        graphs.save(encoded, directory)
    if "target" in properties:
        tell(output, json.loads(properties["target"]))


def tell(output, target):
    """Say it where a file misses the cosine that it was made for; floors judge."""
    if not target["met"]:
        print(
            f"{output}: target_cosine {target['cosine']} is not met: {target['calibration']} (SNR"
            f" {target['snr_db']} dB) where it is calibrated, {target['expected']} to be expected"
            " elsewhere"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoding")
    parser.add_argument("calibration", type=Path)
    parser.add_argument("--sensitivity", type=Path)
    command.add_towers(parser)
    arguments = parser.parse_args()
    name, towers = arguments.encoding, command.towers(arguments)
    encoding = params.lookup(params.load().encodings, name, "encodings")
    if encoding.scheme in BY_SENSITIVITY and not arguments.sensitivity:
        raise command.Refusal(
            f"{name} chooses by what each weight means: move it to grid.encodings.by_sensitivity"
        )
    if all(lacking := [absent.why(source) for source, _ in towers.values()]):
        raise command.Refusal(
            f"{name} cannot be made, for {lacking[0]}: take the model out of grid.resnets"
        )
    for tower, (source, output) in towers.items():
        calibration = Calibration(arguments.calibration, tower)
        with absent.passed_on(output):
            build(name, encoding, source, output, calibration, arguments.sensitivity)


if __name__ == "__main__":
    command.run(main)
