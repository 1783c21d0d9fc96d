"""A graph in another version of ONNX's operator set, computing the same.

Upwards the library converts. Downwards its converter fails on these graphs, so lowering.py writes
the older forms; an operator that has none is refused by name.
"""

from onnxscript import version_converter

from clip_onnx import command, graphs
from clip_onnx.graphs import lowering, schema

LEAST, MOST = 10, schema.MOST


def convert(model, version):
    """Bring `model` to the operator set `version`, LEAST to MOST, in place.

    Weights are not read. Raises Refusal that names the first node which the version cannot
    express, and the version that can.
    """
    current = model.graph.opset_imports[""]
    if not LEAST <= version <= MOST:
        raise command.Refusal(f"opset {version} is not from {LEAST} to {MOST}: choose one that is")
    if version == current:
        return
    if current < graphs.OPSET:
        raise command.Refusal(
            f"a graph of opset {current} is not converted again: start from its form at"
            f" {graphs.OPSET}"
        )
    if version > current:
        version_converter.convert_version(model, version)
    else:
        lowering.lower(model, version)
    model.graph.opset_imports[""] = version
    schema.check(model)
