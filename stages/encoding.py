"""The command line that `convert` and `quantize` share: one model and one encoding in, one out."""

import argparse

from stages import command, graph, params


def main(description, schemes):
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("encoding")
    parser.add_argument("output")
    arguments = parser.parse_args()
    encoding = params.lookup(params.load().encodings, arguments.encoding, "encodings")
    if encoding.scheme not in schemes:
        raise command.Refusal(
            f"{arguments.encoding} has the scheme {encoding.scheme}, this stage makes"
            f" {', '.join(schemes)}: move it to the other list of grid.encodings"
        )
    source = graph.load(arguments.model)
    properties = {**source.metadata_props, "variant": arguments.encoding}
    model = schemes[encoding.scheme](source, encoding)
    if "rounded" in model.metadata_props:
        properties["rounded"] = model.metadata_props["rounded"]
    model.metadata_props.clear()  # of what the converters leave there
    graph.describe(model, **properties)
    with command.output(arguments.output) as directory:
        graph.save(model, directory)
