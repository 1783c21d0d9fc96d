"""What `convert` and `quantize` share: one model and one encoding in, one model out."""

from stages import command, graph, params


def build(model, name, output, schemes):
    """Encode the model of a directory into another.

    schemes: {name of a scheme: (model, encoding) -> model} of the stage that asks.
    """
    encoding = params.lookup(params.load().encodings, name, "encodings")
    if encoding.scheme not in schemes:
        raise command.Refusal(
            f"{name} has the scheme {encoding.scheme}, this stage makes {', '.join(schemes)}: move"
            " it to the other list of grid.encodings"
        )
    source = graph.load(model)
    properties = {**source.metadata_props, "variant": name}
    encoded = schemes[encoding.scheme](source, encoding)
    if "rounded" in encoded.metadata_props:
        properties["rounded"] = encoded.metadata_props["rounded"]
    encoded.metadata_props.clear()  # of what the converters leave there
    graph.describe(encoded, **properties)
    with command.output(output) as directory:
        graph.save(encoded, directory)
