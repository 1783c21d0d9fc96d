"""Make a LiteRT file of a tower with fixed shapes.

    python -m runtimes.litert_convert data/models/MODEL/TOWER/npu data/litert/MODEL/TOWER

Inputs and outputs keep their names, types and shapes (pictures stay [1, 3, R, R]), so
clip_onnx/host is right for it too. A projection that the host applies is copied. The finished file
has been run once: the converter ends well with files, too, that LiteRT refuses.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from clip_onnx import absent, command
from clip_onnx.host import sessions
from clip_onnx.names import FILE, PROJECTION
from runtimes import litert_programs as programs

TYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
OPTIONS = [
    "--non_verbose",
    "--copy_onnx_input_output_names_to_tflite",
    "--keep_shape_absolutely_input_names",
]


def feeds(session):
    """{input: zeros} of a session. Raises Refusal where an input is not of a fixed, small type."""
    found = {}
    for value in session.get_inputs():
        if value.type not in TYPES or not all(isinstance(size, int) for size in value.shape):
            raise command.Refusal(
                f"its input {value.name} is {value.type} {value.shape}: LiteRT wants fixed shapes"
                " and int32 ids, as profile npu has them"
            )
        found[value.name] = np.zeros(value.shape, TYPES[value.type])
    return found


def convert(directory, output):
    """Write model.tflite of a model's directory into the directory `output`."""
    inputs = feeds(sessions.session(directory))
    with tempfile.TemporaryDirectory() as folder:
        # The converter writes to the file that it reads.
        copied = shutil.copytree(directory, Path(folder, "source"))
        arguments = ["--input_onnx_file_path", copied / FILE, "--output_folder_path", folder]
        programs.call([programs.CONVERTER.resolve(), *arguments, *OPTIONS, *inputs], cwd=folder)
        shutil.copyfile(Path(folder, "model_float32.tflite"), output / programs.FILE)
    programs.run(output / programs.FILE, inputs)
    if (directory / PROJECTION).exists():
        shutil.copyfile(directory / PROJECTION, output / PROJECTION)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    with absent.passed_on(arguments.output), command.output(arguments.output) as directory:
        try:
            convert(arguments.model, directory)
        except absent.Absent:
            raise
        except command.Refusal as refusal:
            raise command.Refusal(f"{arguments.model}: {refusal}") from None


if __name__ == "__main__":
    command.run(main)
