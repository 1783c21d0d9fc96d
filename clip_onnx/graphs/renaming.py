"""Other names of a graph's inputs and outputs, for clients that feed and read by name."""

from clip_onnx import command


def rename(model, names):
    """Give inputs and outputs the names that {old: new} has for them, in place.

    Values between them that have such a name give way. Raises Refusal where an input, an output or
    a weight has it.
    """
    edges = {value.name: value for value in (*model.graph.inputs, *model.graph.outputs)}
    wanted = {old: names.get(old, old) for old in edges}
    new = [*wanted.values()]
    for old, name in wanted.items():
        if new.count(name) > 1 or (name != old and name in model.graph.initializers):
            raise command.Refusal(f"names: {name} is taken by another value: choose another")
    for node in model.graph:
        for value in node.outputs:
            if value.name in new and value.name not in edges:
                value.name = f"{value.name}.inner"
    for old, value in edges.items():
        value.name = wanted[old]
    normalized = model.metadata_props.get("normalized", "").split()
    if normalized:
        model.metadata_props["normalized"] = " ".join(wanted[name] for name in normalized)
