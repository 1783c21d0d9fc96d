"""Weights without a configuration: what code may compute them, by the tensors alone.

Shapes do not say how wide attention's heads are. OpenAI's are 64 wide, and so are others' of the
same sizes; some of open_clip's larger models have other ones at widths that 64 divides, too.
"""

from clip_onnx import command
from clip_onnx.checkpoint.network import HEAD_WIDTH

OTHER_HEADS = {1280: "ViT-H", 1408: "ViT-g", 1664: "ViT-bigG"}  # visual widths of open_clip's


def check(path, sizes):
    """Refuse sizes with which OpenAI's code cannot be meant."""
    problem = _problem(sizes)
    if problem:
        raise command.Refusal(
            f"{path} is another network than OpenAI's: {problem}; put its config.json or"
            " open_clip_config.json beside it, that of an address into `beside` of params.yaml"
        )


def of_open_clip(sizes):
    """What only open_clip's code has, or nothing."""
    for tower in sizes.towers:
        if getattr(sizes, tower).layer_scale:
            return f"factors (ls_1, ls_2) scale what the blocks of its {tower} tower add"
    if not sizes.visual.pre_norm:
        return "it has no LayerNorm before its visual blocks (ln_pre)"
    return ""


def _problem(sizes):
    """What OpenAI's code has in another way, or nothing."""
    if problem := of_open_clip(sizes):
        return problem
    visual = (sizes.vision_width or 0) * (1 if sizes.vit else 32)
    for width in (sizes.text_width or 0, visual):
        if width % HEAD_WIDTH:
            return f"a width of {width} is no multiple of {HEAD_WIDTH}, a head's"
    if sizes.vit and sizes.vision_width in OTHER_HEADS:
        return (
            f"a visual width of {sizes.vision_width} is {OTHER_HEADS[sizes.vision_width]}'s, whose"
            f" attention heads are not {HEAD_WIDTH} wide as in OpenAI's code"
        )
    for tower in sizes.towers:
        if (width := getattr(sizes, tower).mlp_width) is not None:
            return (
                f"the MLPs of its {tower} tower are {width} wide, in OpenAI's code four times the"
                " tower's width"
            )
    return ""
