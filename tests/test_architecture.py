import pytest
import torch

from stages import architecture
from stages.openai import CLIP

# As published: (embed_dim, resolution, vision layers, width, patch, text width, text layers)
OFFICIAL = {
    "rn50": (1024, 224, (3, 4, 6, 3), 64, None, 512, 12),
    "rn101": (512, 224, (3, 4, 23, 3), 64, None, 512, 12),
    "rn50x4": (640, 288, (4, 6, 10, 6), 80, None, 640, 12),
    "rn50x16": (768, 384, (6, 8, 18, 8), 96, None, 768, 12),
    "rn50x64": (1024, 448, (3, 15, 36, 10), 128, None, 1024, 12),
    "vit-b-32": (512, 224, 12, 768, 32, 512, 12),
    "vit-b-16": (512, 224, 12, 768, 16, 512, 12),
    "vit-l-14": (768, 224, 24, 1024, 14, 768, 12),
    "vit-l-14-336": (768, 336, 24, 1024, 14, 768, 12),
}


@pytest.mark.parametrize("model", OFFICIAL)
def test_read_finds_the_sizes_of_every_official_model(model):
    embed, resolution, layers, width, patch, text_width, text_layers = OFFICIAL[model]
    heads = text_width // 64
    with torch.device("meta"):
        module = CLIP(
            embed, resolution, layers, width, patch, 77, 49408, text_width, heads, text_layers
        )
    sizes = architecture.read({k: tuple(v.shape) for k, v in module.state_dict().items()})
    assert sizes == architecture.Architecture(
        embed, resolution, layers, width, patch, 77, 49408, text_width, text_layers
    )
    assert sizes.vision_heads == (width if patch else width * 32) // 64


def test_read_says_what_a_foreign_state_dict_lacks():
    with pytest.raises(ValueError, match="it lacks 'visual"):
        architecture.read({"fc.weight": (10, 10)})
