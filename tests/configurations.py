"""Configurations beside weights, and what is made of them."""

import json

import pytest

from clip_onnx import command
from stages.download import configuration

import small

VIT, RESNET = small.KINDS["vit"], small.KINDS["rn"]
CONFIG = {
    "model_type": "clip",
    "architectures": ["CLIPModel"],
    "projection_dim": 48,
    "vision_config": {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-05,
        "attention_dropout": 0.1,
        "projection_dim": 512,
    },
    "text_config": {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
    },
}
OPEN_CLIP = {
    "model_cfg": {
        "embed_dim": 48,
        "quick_gelu": True,
        "init_logit_bias": -10,
        "vision_cfg": {"layers": 2, "width": 128, "patch_size": 16, "image_size": 64},
        "text_cfg": {"context_length": 77, "width": 128, "heads": 2, "layers": 2},
    }
}


def changed(content, place, value):
    """A copy in which what stands at `place`, names with dots between, is another value."""
    content = json.loads(json.dumps(content))
    section = content
    *sections, name = place.split(".")
    for part in sections:
        section = section[part]
    section[name] = value
    return content


def check(folder, files, sizes=VIT, activation=None):
    for name, content in files.items():
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(content)
    return configuration.check(folder / "model.safetensors", sizes, activation)


def refusal(folder, files, sizes=VIT, activation=None):
    with pytest.raises(command.Refusal) as caught:
        check(folder, files, sizes, activation)
    assert "\n" not in str(caught.value)
    return str(caught.value)
