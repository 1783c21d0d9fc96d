"""What a finished graph must be for the runtimes of a profile; a refusal names the node."""

from onnx_ir.passes import common

from clip_onnx import absent, command

NEEDED = {  # by some networks: what for
    "Erf": "of which the tower's GELU is made",
    "Tanh": "of which the tower's GELU by tanh is made",
    "Equal": "by which the end of its texts is found",
}


def operators(model, allowed):
    """Refuse the first node whose operator is not among `allowed`; None allows all.

    A graph whose network cannot do without one is absent from the profile.
    """
    for node in model.graph if allowed is not None else ():
        if node.op_type not in allowed:
            if node.op_type in NEEDED:
                raise absent.Absent(
                    f"the profile's operators have no {node.op_type}, {NEEDED[node.op_type]}"
                )
            raise command.Refusal(
                f"{node.op_type} is left, which the profile's operators have not: node {node.name};"
                " add a patch that replaces it, or the operator"
            )


def rank(model, most):
    """Refuse the first value of more than `most` dimensions, or of unknown ones; None: any."""
    if most is None:
        return
    common.ShapeInferencePass()(model)
    for node in model.graph:
        for value in node.outputs:
            if value.shape is None or len(value.shape) > most:
                raise command.Refusal(
                    f"{value.name} has the shape {value.shape}, not {most} dimensions at most:"
                    f" node {node.name} ({node.op_type})"
                )
