"""What `convert` and `quantize` share: one model and one encoding in, one model out."""

from stages import command, graph, params, schema

KEPT = ("rounded", "widths")  # of what a scheme says of its work


def build(model, name, output, schemes, *given):
    """Encode the model of a directory into another.

    schemes: {name of a scheme: (model, encoding, *given) -> model} of the stage that asks.
    """
    encoding = params.lookup(params.load().encodings, name, "encodings")
    if encoding.scheme not in schemes:
        raise command.Refusal(
            f"{name} has the scheme {encoding.scheme}, this stage makes {', '.join(schemes)}: move"
            " it to the list of grid.encodings where that belongs"
        )
    source = graph.load(model)
    properties = {**source.metadata_props, "variant": name}
    encoded = schemes[encoding.scheme](source, encoding, *given)
    found = encoded.metadata_props
    properties |= {key: found[key] for key in KEPT if key in found}
    found.clear()  # of what the converters leave there
    graph.describe(encoded, **properties)
    schema.check(encoded)  # a lower one, which std may have, lacks what some schemes write
    with command.output(output) as directory:
        graph.save(encoded, directory)
