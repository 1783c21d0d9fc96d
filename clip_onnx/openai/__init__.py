"""OpenAI's own code, the `clip` package: the one place that imports it."""

import warnings
from pathlib import Path

with warnings.catch_warnings():
    # It imports pkg_resources, which announces its own removal.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    import clip
    from clip.clip import _MODELS as MODELS  # {name: address}
    from clip.clip import _transform as transform  # (side) -> PIL picture -> pixel_values
    from clip.clip import load, tokenize
    from clip.model import (
        CLIP,
        Bottleneck,
        LayerNorm,
        ModifiedResNet,
        ResidualAttentionBlock,
        build_model,
        convert_weights,
    )

__all__ = [
    "BPE",
    "CLIP",
    "Bottleneck",
    "LayerNorm",
    "MODELS",
    "ModifiedResNet",
    "ResidualAttentionBlock",
    "build_model",
    "convert_weights",
    "load",
    "tokenize",
    "transform",
]

BPE = Path(clip.__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
