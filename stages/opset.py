"""A graph in another version of ONNX's operator set, computing the same.

Upwards the library converts. Downwards its converter fails on these graphs, so stages/lowering.py
writes the older forms; an operator that has none is refused by name.
"""

import onnx
import onnx_ir as ir
from onnxscript import version_converter

from stages import command, lowering

LEAST, BASE, MOST = 10, 18, 23  # from the base, in which the stages make graphs, to either side


def convert(model, version):
    """Bring `model` to the operator set `version`, LEAST to MOST, in place.

    The IR version becomes the one that came with it, for runtimes of that time. Weights are not
    read. Raises Refusal that names the first node which the version cannot express, and the
    version that can.
    """
    current = model.graph.opset_imports[""]
    if not LEAST <= version <= MOST:
        raise command.Refusal(f"opset {version} is not from {LEAST} to {MOST}: choose one that is")
    if version == current:
        return
    if current < BASE:
        raise command.Refusal(
            f"a graph of opset {current} is not converted again: start from its opset {BASE} form"
        )
    if version > current:
        version_converter.convert_version(model, version)
    else:
        lowering.lower(model, version)
    model.graph.opset_imports[""] = version
    check(model)
    imports = [onnx.helper.make_opsetid(*pair) for pair in model.graph.opset_imports.items()]
    model.ir_version = onnx.helper.find_min_ir_version_for(imports, ignore_unknown=True)


def check(model):
    """Refuse the first node that the model's operator set has not got, or not as it stands there:
    with these attributes, and for these types where they are known."""
    for node in lowering.nodes(model):
        node.version = None  # the graph's
        _require(node, model.graph.opset_imports[""])


def _require(node, version):
    problem = _problem(node, version)
    if problem is None:
        return
    later = range(version + 1, MOST + 1)
    enough = next((v for v in later if _problem(node, v) is None), None)
    needs = f"needs opset {enough}" if enough else "cannot be expressed so"
    raise command.Refusal(f"{node.op_type}{problem} {needs}, not {version}: node {node.name}")


def _problem(node, version):
    """What keeps a node out of a version: "" where it is unknown there, None where nothing does."""
    try:
        schema = onnx.defs.get_schema(node.op_type, version)
    except onnx.defs.SchemaError:
        return ""
    unknown = next((name for name in node.attributes if name not in schema.attributes), None)
    if unknown:
        return f" with {unknown}"
    if not schema.min_input <= len(node.inputs) <= schema.max_input:
        return f" with {len(node.inputs)} inputs"
    for place, value in enumerate(node.inputs):
        kind = schema.inputs[min(place, len(schema.inputs) - 1)]  # the last may be variadic
        if value is not None and isinstance(value.type, ir.TensorType):
            name = value.dtype.name.lower()
            if f"tensor({name})" not in kind.types:
                return f" of {name}"
    if version < 13 and node.op_type in ("Softmax", "LogSoftmax") and not _last_axis(node):
        return " over another axis than the last"
    return None


def _last_axis(node):
    axis, shape = node.attributes.get_int("axis", -1), node.inputs[0].shape
    return axis == -1 or (shape is not None and axis == len(shape) - 1)
