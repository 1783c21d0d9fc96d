"""OpenAI's CLIP as ONNX files.

    from clip_onnx import Clip
    clip = Clip("data/bundles/tiny-vit", encoding="int8w")
    images = clip.encode_image(["a.jpg", "b.png"])

Importing this loads nothing; the pipeline's stages share it with people who use the files.
"""

import importlib
from typing import Any

__all__ = ["Clip", "Refusal"]
_PLACES = {"Clip": "clip_onnx.clip", "Refusal": "clip_onnx.command"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
