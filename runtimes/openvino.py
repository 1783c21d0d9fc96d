"""Our files in OpenVINO on the CPU.

    python -m runtimes.openvino MODEL OUTPUT.json

OpenVINO multiplies in bfloat16 where the CPU has it, and rounds activations to 8 bits where it sees
8-bit weights, unless it is told that accuracy matters.
"""

import numpy as np
import openvino

from clip_onnx import command
from runtimes import comparison

PROFILE = "npu"
EXACT = {"EXECUTION_MODE_HINT": "ACCURACY"}


def run(model, feeds):
    """{output: array} of a model for {input: array}: `run` of comparison.compare.

    Raises Refusal with OpenVINO's own words where it cannot.
    """
    try:
        compiled = openvino.Core().compile_model(model, "CPU", EXACT)
        parts = [compiled(part) for part in batches(compiled, feeds)]
    except RuntimeError as error:
        raise command.Refusal(cause(error)) from None
    return {
        name: np.concatenate([part[output] for part in parts])
        for output in compiled.outputs
        for name in output.names
    }


def batches(compiled, feeds):
    """The feeds as they are, or row by row for a graph of a fixed batch of 1."""
    first = compiled.inputs[0]
    if feeds[first.any_name].shape[0] == 1 or not first.partial_shape[0].is_static:
        return [feeds]
    rows = len(feeds[first.any_name])
    return [{name: feed[[row]] for name, feed in feeds.items()} for row in range(rows)]


def cause(error):
    """The line of OpenVINO's message that says what is wrong; the others say where in its code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (telling or lines)[0]


def measure(model):
    files = comparison.files(model, PROFILE)
    return {"openvino": comparison.survey(model, files, run)}


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
