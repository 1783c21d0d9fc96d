"""The older forms of operators, for opset.py: each adapter changes one node in place.

Where a node cannot be said in the older form, its adapter leaves it as it is.
"""

import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import rewriter

from clip_onnx import graphs
from clip_onnx.graphs import layer_norm, schema


def lower(model, version):
    """Write the operators of a graph of opset 18 or later as `version` has them, in place."""
    if version < 17:
        rewriter.RewritePass(layer_norm.rules)(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.ShapeInferencePass()(model)
    common.AddDefaultAttributesPass()(model)  # the defaults are not the same in every version
    for since, operators, adapt in ADAPTERS:
        for node in schema.nodes(model):
            if version < since and node.op_type in operators:
                adapt(model, node)
    for node in schema.nodes(model):
        if version < 11:
            _count_axes_from_the_front(node)
        _drop_defaults(node, version, model.graph.opset_imports[""])
    ir.passes.Sequential(
        common.RemoveUnusedNodesPass(),
        common.DeduplicateInitializersPass(),
        common.NameFixPass(),
    )(model)


def _axes_to_attribute(model, node):
    """Axes as an input -> as an attribute. Not where they are computed."""
    _input_to_attribute(node, "axes")


def _sizes_to_attribute(model, node):
    """Split's sizes as an input -> as an attribute. Not where they are computed."""
    _input_to_attribute(node, "split")


def _input_to_attribute(node, name):
    value = node.inputs[1] if len(node.inputs) > 1 else None
    if value is not None and value.const_value is not None:
        node.attributes[name] = ir.AttrInt64s(name, value.const_value.numpy().tolist())
        node.resize_inputs(1)


def _parts_to_sizes(model, node):
    """Split into a number of parts -> into parts of sizes. Not where the whole is unknown."""
    axis, parts = node.attributes.get_int("axis"), node.attributes.get_int("num_outputs")
    whole = node.inputs[0].shape[axis] if node.inputs[0].shape is not None else None
    if parts is None or not isinstance(whole, int):
        return
    size = -(-whole // parts)
    sizes = [min(size, whole - start) for start in range(0, whole, size)]
    node.resize_inputs(2)
    node.replace_input_with(1, graphs.constant(model, sizes, f"{node.outputs[0].name}.sizes"))
    del node.attributes["num_outputs"]


def _shape_to_slice(model, node):
    """Shape of some axes -> Slice of the whole Shape. Not where the rank is unknown."""
    if node.inputs[0].shape is None:
        return
    rank, old = len(node.inputs[0].shape), node.outputs[0]
    start, end, _ = slice(
        node.attributes.get_int("start", 0), node.attributes.get_int("end", None)
    ).indices(rank)
    whole = ir.node("Shape", [node.inputs[0]])
    whole.outputs[0].name, whole.outputs[0].dtype = f"{old.name}.all", ir.DataType.INT64
    bounds = {"start": [start], "end": [end], "axis": [0]}
    inputs = [graphs.constant(model, value, f"{old.name}.{key}") for key, value in bounds.items()]
    part = ir.node("Slice", [whole.outputs[0], *inputs])
    part.outputs[0].shape, part.outputs[0].dtype = old.shape, ir.DataType.INT64
    ir.convenience.replace_nodes_and_values(
        model.graph, node, [node], [whole, part], [old], part.outputs
    )


def _count_axes_from_the_front(node):
    """Negative axes, which opset 11 brought -> the same ones. Not where the rank is unknown."""
    ranked = node.outputs[0] if node.op_type == "Unsqueeze" else node.inputs[0]
    if ranked is None or ranked.shape is None:
        return
    rank = len(ranked.shape)
    if "axis" in node.attributes:
        node.attributes["axis"] = ir.AttrInt64("axis", node.attributes.get_int("axis") % rank)
    if "axes" in node.attributes:
        axes = [axis % rank for axis in node.attributes.get_ints("axes")]
        node.attributes["axes"] = ir.AttrInt64s("axes", axes)


def _drop_defaults(node, version, current):
    """Remove attributes that `version` does not know and that say what it does anyway."""
    try:
        known = onnx.defs.get_schema(node.op_type, version).attributes
        defaults = onnx.defs.get_schema(node.op_type, current).attributes
    except onnx.defs.SchemaError:
        return
    for name in set(node.attributes) - set(known):
        default = defaults[name].default_value if name in defaults else None
        if default is not None and ir.from_proto(default).value == node.attributes[name].value:
            del node.attributes[name]


REDUCTIONS = {
    f"Reduce{name}"
    for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
}
ADAPTERS = [  # (the version of the newer form, its operators, the way to the older one)
    (18, REDUCTIONS, _axes_to_attribute),
    (18, {"Split"}, _parts_to_sizes),
    (15, {"Shape"}, _shape_to_slice),
    (13, {"ReduceSum", "Squeeze", "Unsqueeze"}, _axes_to_attribute),
    (13, {"Split"}, _sizes_to_attribute),
]
