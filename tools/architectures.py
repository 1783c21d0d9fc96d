"""The sizes of published models: what a twin of theirs is made by (tools/make_twin.py)."""

from clip_onnx.checkpoint.architecture import Architecture
from clip_onnx.checkpoint.network import GELU, Blocks

# embed_dim, resolution, vision layers, width, patch, context, vocabulary, text width, text layers
OFFICIAL = {
    "rn50": Architecture(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 12),
    "rn101": Architecture(512, 224, (3, 4, 23, 3), 64, None, 77, 49408, 512, 12),
    "rn50x4": Architecture(640, 288, (4, 6, 10, 6), 80, None, 77, 49408, 640, 12),
    "rn50x16": Architecture(768, 384, (6, 8, 18, 8), 96, None, 77, 49408, 768, 12),
    "rn50x64": Architecture(1024, 448, (3, 15, 36, 10), 128, None, 77, 49408, 1024, 12),
    "vit-b-32": Architecture(512, 224, 12, 768, 32, 77, 49408, 512, 12),
    "vit-b-16": Architecture(512, 224, 12, 768, 16, 77, 49408, 512, 12),
    "vit-l-14": Architecture(768, 224, 24, 1024, 14, 77, 49408, 768, 12),
    "vit-l-14-336": Architecture(768, 336, 24, 1024, 14, 77, 49408, 768, 12),
}
PLAIN = Blocks(GELU)
H, BIG_G = Blocks(GELU, head_width=80), Blocks(GELU, head_width=104, mlp_width=8192)
LAION = {
    "laion-vit-b-32": Architecture(512, 224, 12, 768, 32, 77, 49408, 512, 12, PLAIN, PLAIN),
    "laion-vit-b-16": Architecture(512, 224, 12, 768, 16, 77, 49408, 512, 12, PLAIN, PLAIN),
    "laion-vit-l-14": Architecture(768, 224, 24, 1024, 14, 77, 49408, 768, 12, PLAIN, PLAIN),
    "laion-vit-h-14": Architecture(1024, 224, 32, 1280, 14, 77, 49408, 1024, 24, H, PLAIN),
    "laion-vit-bigg-14": Architecture(1280, 224, 48, 1664, 14, 77, 49408, 1280, 32, BIG_G, PLAIN),
}
TWINS = OFFICIAL | LAION
