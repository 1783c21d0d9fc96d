"""Whether a graph's nodes exist, as they stand there, in its version of ONNX's operator set."""

import onnx
import onnx_ir as ir

from clip_onnx import command

MOST = 23  # the highest version that the pipeline writes


def nodes(model):
    """The nodes of ONNX's own operators."""
    return [node for node in model.graph.all_nodes() if node.domain == ""]


def check(model):
    """Refuse the first node that the model's operator set has not got, or not as it stands there:
    with these attributes, and for these types where they are known."""
    for node in nodes(model):
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
