"""Hugging Face's names and OpenAI's."""

import torch

# Hugging Face's names -> OpenAI's: how they begin, and what stands within a layer.
BEGINNINGS = {
    "vision_model.encoder.layers.": "visual.transformer.resblocks.",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "visual_projection.weight": "visual.proj",
    "text_model.encoder.layers.": "transformer.resblocks.",
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "text_projection.weight": "text_projection",
}
IN_LAYERS = {
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}
JOINED = "{q,k,v}"
TRANSPOSED = ("visual.proj", "text_projection")  # stored as a Linear's weight there


def to_openai(state):
    """A state dict of Hugging Face's names under OpenAI's. Consumes `state`.

    Names that are unknown, and q, k and v that are incomplete, stay as they are.
    """
    mapped = {}
    for name in list(state):
        if ".self_attn.q_proj." not in name:
            continue
        parts = [name.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if all(part in state for part in parts) and _alike([state[part] for part in parts]):
            joined = torch.cat([state.pop(part) for part in parts])
            mapped[openai_name(name.replace(".self_attn.q_proj.", ".attn.in_proj_"))] = joined
    for name, tensor in state.items():
        new = openai_name(name)
        turned = new in TRANSPOSED and tensor.ndim == 2
        mapped[name if new in mapped else new] = tensor.T if turned else tensor
    return mapped


def to_hugging_face(name, tensor):
    """{Hugging Face's name: tensor} of a tensor of OpenAI's name: three of q, k and v joined."""
    theirs = hugging_face_name(name)
    if name in TRANSPOSED:
        tensor = tensor.T
    if JOINED not in theirs:
        return {theirs: tensor}
    thirds = zip("qkv", tensor.chunk(3), strict=True)
    return {theirs.replace(JOINED, letter): third for letter, third in thirds}


def _alike(tensors):
    return tensors[0].ndim > 0 and len({tensor.shape for tensor in tensors}) == 1


def openai_name(name):
    for theirs, ours in BEGINNINGS.items():
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
    for theirs, ours in IN_LAYERS.items():
        name = name.replace(theirs, ours)
    return name


def hugging_face_name(name):
    """The inverse of `openai_name`, for messages about what a file lacks."""
    for theirs, ours in IN_LAYERS.items():
        name = name.replace(ours, theirs)
    name = name.replace(".attn.in_proj_", f".self_attn.{JOINED}_proj.")
    for theirs, ours in BEGINNINGS.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name
