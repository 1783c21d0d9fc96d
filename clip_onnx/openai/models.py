"""OpenAI's modules of a checkpoint, and what they compute of pictures and texts."""

import torch

from clip_onnx.checkpoint import architecture, weights
from clip_onnx.openai import CLIP, LayerNorm


def new_model(sizes):
    """OpenAI's own module for an architecture, as its constructor fills it."""
    return CLIP(
        sizes.embed_dim,
        sizes.resolution,
        sizes.vision_layers,
        sizes.vision_width,
        sizes.patch_size,
        sizes.context_length,
        sizes.vocab_size,
        sizes.text_width,
        sizes.text_heads,
        sizes.text_layers,
    )


def empty_model(sizes):
    """`new_model` on the meta device: shapes without storage."""
    with torch.device("meta"):
        return new_model(sizes)


def load_tower(directory, tower, dtype=torch.float32):
    """OpenAI's module, computing in a dtype, with one tower's weights; the other's have no storage.

    `clip.model.build_model` would first round everything to half precision. That changes nothing
    in OpenAI's files, which are stored rounded, but it would falsify a checkpoint that is not.
    """
    shapes = weights.shapes(directory)
    model = empty_model(architecture.read(shapes)).to(dtype)
    lift_casts(model)
    names = [name for name in shapes if name.startswith("visual.") == (tower == "visual")]
    state = {name: cast(torch.from_numpy(weights.read(directory, name)), dtype) for name in names}
    missing, _ = model.load_state_dict(state, assign=True, strict=False)
    assert all(name.startswith("visual.") != (tower == "visual") for name in missing)
    for block in model.transformer.resblocks:
        block.attn_mask = model.build_attention_mask()  # the meta device kept only its shape
    return model.eval()


def lift_casts(model):
    """Let OpenAI's LayerNorm compute in the type of its inputs, not in fp32 whatever they are."""
    for part in model.modules():
        if isinstance(part, LayerNorm):
            part.forward = super(LayerNorm, part).forward


def cast(tensor, dtype):
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


@torch.inference_mode()
def embed(directory, tower, batches, dtype=torch.float64):
    """float32 [n, E] of all the batches, as `encode_image` or `encode_text` returns them."""
    model = load_tower(directory, tower, dtype)
    encode = model.encode_image if tower == "visual" else model.encode_text
    return torch.cat([encode(batch).float() for batch in batches])
