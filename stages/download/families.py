"""What a state dict looks like by its names, for messages about what it is or lacks."""

from clip_onnx import command
from stages.download import listing

HUGGING_FACE, OPENAI = "Hugging Face's CLIP", "OpenAI's CLIP"

# What begins or stands in a name, and whose it is: the first that is found counts.
FOREIGN = {
    "lora_": "a LoRA adapter, which must be merged into its model first",
    "visual.trunk.": "open_clip's CLIP with an image tower of timm",
    "text_decoder.": "open_clip's CoCa",
    "text.transformer.": "open_clip's CLIP with a text tower of its own kind",
    "text.token_embedding.": "open_clip's CLIP with a text tower of its own kind",
    "vision_model.head.": "SigLIP",
    "qformer.": "BLIP-2",
    "text_encoder.": "BLIP or ALBEF",
    "roberta.": "AltCLIP or ChineseCLIP",
    "diffusion_model.": "a diffusion model",
}
NAMES = {  # how names begin -> the family and the tower
    "vision_model.": (HUGGING_FACE, "visual"),
    "visual_projection.": (HUGGING_FACE, "visual"),
    "text_model.": (HUGGING_FACE, "textual"),
    "visual.": (OPENAI, "visual"),
    "token_embedding.": (OPENAI, "textual"),
    "transformer.resblocks.": (OPENAI, "textual"),
    "ln_final.": (OPENAI, "textual"),
}


def belonging(names):
    """{(family, tower)} of what the names belong to."""
    return {found for name in names for start, found in NAMES.items() if name.startswith(start)}


def of(names, path):
    """(the family of a CLIP, its towers, both or one) by its names.

    Raises Refusal saying what the names look like.
    """
    for mark, whose in FOREIGN.items():
        if any(name.startswith(mark) or f".{mark}" in name for name in names):
            raise command.Refusal(f"{path} is no CLIP checkpoint of OpenAI's code: it is {whose}")
    if "class_embedding" in names:
        raise command.Refusal(
            f"{path} is the visual tower of {OPENAI} without `visual.` before its tensors' names:"
            " save it under those of the whole model"
        )
    found = belonging(names)
    if not found:
        raise command.Refusal(
            f"{path} is no CLIP checkpoint: its tensors are {listing.listed(names)}"
        )
    families, towers = {family for family, _ in found}, {tower for _, tower in found}
    if len(families) > 1:
        raise command.Refusal(
            f"{path} is no CLIP checkpoint: it has names of {OPENAI} and of {HUGGING_FACE}; save"
            " one model"
        )
    return families.pop(), towers
