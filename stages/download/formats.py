"""Other people's checkpoints: Hugging Face's and open_clip's names, and what files do not say.

Names are mapped to OpenAI's. The activation and the width of attention's heads cannot be read
from weights: a configuration beside the file says them, or params.yaml.
"""

import json
from pathlib import Path

import torch

from clip_onnx import command
from clip_onnx.checkpoint.architecture import HEAD_WIDTH

QUICK_GELU = "quick_gelu"
HUGGING_FACE = "vision_model.embeddings.class_embedding"  # a name that only its models have

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
POSITION_IDS = {f"{tower}_model.embeddings.position_ids" for tower in ("vision", "text")}
TRANSPOSED = ("visual.proj", "text_projection")  # stored as a Linear's weight there


def unwrapped(content):
    """The state dict in what open_clip's training saves: one key of it, DistributedDataParallel."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
        if all(isinstance(name, str) and name.startswith("module.") for name in content):
            content = {name.removeprefix("module."): value for name, value in content.items()}
    return content


def to_openai(state):
    """A state dict under OpenAI's names. Consumes `state` if it is Hugging Face's.

    Names that are unknown, and q, k and v that are incomplete, stay as they are.
    """
    if HUGGING_FACE not in state:
        return state
    mapped = {}
    for name in list(state):
        if name not in state or name in POSITION_IDS:
            continue
        parts = [name.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if ".self_attn.q_proj." in name and all(part in state for part in parts):
            joined = torch.cat([state.pop(part) for part in parts])
            mapped[openai_name(name.replace(".self_attn.q_proj.", ".attn.in_proj_"))] = joined
    for name in state.keys() - POSITION_IDS:
        new = openai_name(name)
        mapped[new] = state[name].T if new in TRANSPOSED else state[name]
    return mapped


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
    name = name.replace(".attn.in_proj_", ".self_attn.{q,k,v}_proj.")
    for theirs, ours in BEGINNINGS.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def check_activation(path, stated):
    """Refuse a checkpoint whose network is not known to be OpenAI's.

    `stated` is its `activation` in params.yaml, for a file without a configuration beside it.
    """
    said = list(_configured(path))
    if stated:
        said.append(("params.yaml", stated, HEAD_WIDTH))
    for place, activation, heads in said:
        if activation != QUICK_GELU:
            raise command.Refusal(
                f"{path} computes {activation} ({place}), OpenAI's code QuickGELU: it is another"
                " network, which this project does not build"
            )
        if heads != HEAD_WIDTH:
            raise command.Refusal(
                f"{path} has attention heads {heads} wide ({place}), OpenAI's code {HEAD_WIDTH}: it"
                " is another network, which this project does not build"
            )
    if not said:
        raise command.Refusal(
            f"{path} does not say which activation it was trained with: add `activation:"
            f" {QUICK_GELU}` to it in params.yaml if it is OpenAI's (open_clip's names of such"
            " models end in -quickgelu), or put its config.json beside it"
        )


def _configured(path):
    """(where it is said, activation, head width) of each tower, from files beside `path`."""
    folder = Path(path).resolve().parent
    config = _json(folder / "config.json")
    for tower, heads, width in (("vision", 12, 768), ("text", 8, 512)):  # its classes' defaults
        section = config.get(f"{tower}_config")
        if section is not None:
            heads = section.get("num_attention_heads", heads)
            activation = section.get("hidden_act", QUICK_GELU)
            place = f"{tower}_config of its config.json"
            yield place, activation, section.get("hidden_size", width) // heads
    model = _json(folder / "open_clip_config.json").get("model_cfg")
    if model is not None:
        activation = QUICK_GELU if model.get("quick_gelu") else "gelu"
        head_width = model.get("vision_cfg", {}).get("head_width", HEAD_WIDTH)
        yield "model_cfg of its open_clip_config.json", activation, head_width


def _json(path):
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise command.Refusal(f"{path} is no JSON, mend or remove it: {error}") from None
    return content if isinstance(content, dict) else {}
