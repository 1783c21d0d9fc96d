"""Make one model of two: outputs of one feed inputs of the other.

onnx.compose merges protobufs, with all weights in memory; here tensors stay what they are, lazy
ones lazy.
"""

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from clip_onnx import command


def join(first, second, connections):
    """`first` grown by `second`, which is used up. Returns `first`.

    `connections` is {output of first: input of second}; {} puts the two side by side. Inputs are
    those of `first`, then what `second` still needs; outputs are what `first` has left, then those
    of `second`. A symbolic dimension of a connected input becomes the output's, wherever `second`
    has it. Names of inputs and outputs stay, inner ones change if they collide. Metadata is that of
    both, `second`'s above `first`'s.

    Raises Refusal if opsets, names, types or shapes do not fit.
    """
    pairs = [
        (find(first.graph.outputs, output), find(second.graph.inputs, needed))
        for output, needed in connections.items()
    ]
    _check_opsets(first, second)
    for output, needed in pairs:
        rename_dimensions(second, _dimensions(output, needed))
        ir.convenience.replace_all_uses_with(needed, output, replace_graph_outputs=True)
        first.graph.outputs.remove(output)
        second.graph.inputs.remove(needed)
    _check_names(first.graph, second.graph)
    _move(second, first)
    return first


def rename_dimensions(model, names):
    """Rename symbolic dimensions everywhere in `model`; a number in a name's place fixes them.

    `names` is {old: new}, for instance {"batch": "text_batch"}.
    """
    for value in _values(model.graph):
        if value.shape is not None:
            value.shape = ir.Shape(
                size if isinstance(size, int) else names.get(size.value, size)
                for size in value.shape
            )


def find(values, name):
    """The value of that name. Raises Refusal if there is none."""
    for value in values:
        if value.name == name:
            return value
    known = ", ".join(value.name for value in values)
    raise command.Refusal(f"{name} is not among: {known}")


def _values(graph):
    yield from graph.inputs
    for node in graph.all_nodes():
        yield from node.outputs


def _check_opsets(first, second):
    for domain in sorted(first.opset_imports.keys() & second.opset_imports.keys()):
        versions = first.opset_imports[domain], second.opset_imports[domain]
        if versions[0] != versions[1]:
            raise command.Refusal(
                f"graphs of {domain or 'ai.onnx'} opset {versions[0]} and {versions[1]} cannot be"
                " joined: build both for one opset"
            )


def _check_names(first, second):
    """What the outside sees keeps its name, so no two may share one."""
    for ours, theirs in ((first.inputs, second.inputs), (first.outputs, second.outputs)):
        for name in sorted({value.name for value in ours} & {value.name for value in theirs}):
            raise command.Refusal(f"both graphs have {name} as input or output: rename one of them")


def _dimensions(output, needed):
    """{symbolic dimension of the input: what the output has there}."""
    fit = output.dtype == needed.dtype and len(output.shape) == len(needed.shape)
    dimensions = {}
    for has, needs in zip(output.shape, needed.shape, strict=False):
        if isinstance(needs, ir.SymbolicDim):
            dimensions[needs.value] = has if isinstance(has, int) else has.value
        else:
            fit = fit and has == needs
    if not fit:
        raise command.Refusal(
            f"{output.name} is {output.dtype}{output.shape}, but {needed.name} has to be"
            f" {needed.dtype}{needed.shape}: connect what fits"
        )
    return dimensions


def _move(source, target):
    """Move all that is in `source` to the end of `target`."""
    graph, nodes = source.graph, list(source.graph)
    initializers = list(graph.initializers.values())
    inputs, outputs = list(graph.inputs), list(graph.outputs)
    for kept in (graph.inputs, graph.outputs, graph.initializers):
        kept.clear()
    target.graph.inputs.extend(inputs)
    target.graph.outputs.extend(outputs)
    graph.remove(nodes)
    target.graph.extend(nodes)
    # Not registered yet, initializers are renamed as any other value that a node reads.
    NameFixPass()(target)
    for value in initializers:
        target.graph.register_initializer(value)
    target.opset_imports.update(source.opset_imports)
    target.functions.update(source.functions)
    target.metadata_props.update(source.metadata_props)
