"""The sizes of a CLIP, read from its tensors' shapes, as `clip.model.build_model` does.

What shapes do not say, how the blocks compute, stands beside the weights where it is not as in
OpenAI's code (clip_onnx/checkpoint/network.py).
"""

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass

from clip_onnx.checkpoint import network, weights
from clip_onnx.checkpoint.network import Blocks
from clip_onnx.names import TOWERS

CONTEXT_LENGTH = 77  # of OpenAI's models
LEAST_CONTEXT = 16  # tokens: those of prompts that name a drawing are up to 13


@dataclass(frozen=True)
class Architecture:
    """Everything that the weights' shapes say, and how the blocks of each tower compute.

    `vision_layers` is a tuple for the ResNets. Of a tower that the checkpoint lacks, all sizes are
    None.
    """

    embed_dim: int
    resolution: int | None = None
    vision_layers: int | tuple[int, ...] | None = None
    vision_width: int | None = None
    patch_size: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    text_width: int | None = None
    text_layers: int | None = None
    visual: Blocks = Blocks()
    textual: Blocks = Blocks()

    @property
    def towers(self):
        """The towers that the checkpoint has, both or one."""
        widths = (self.vision_width, self.text_width)
        return tuple(tower for tower, width in zip(TOWERS, widths, strict=True) if width)

    @property
    def whole(self):
        """Whether it has both towers, and a logit_scale, which is of both together."""
        return self.towers == TOWERS

    @property
    def vit(self):
        return self.patch_size is not None

    @property
    def vision_heads(self):
        width = self.vision_width if self.vit else self.vision_width * 32
        return width // self.visual.head_width

    @property
    def text_heads(self):
        return self.text_width // self.textual.head_width

    @property
    def vision_mlp_width(self):
        return self.visual.mlp_width or 4 * self.vision_width

    @property
    def text_mlp_width(self):
        return self.textual.mlp_width or 4 * self.text_width

    def written(self):
        """The sizes as JSON has them. Blocks that compute as OpenAI's do are left out."""
        usual = {tower for tower in TOWERS if getattr(self, tower) == Blocks()}
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in usual}


def of_written(sizes):
    """The Architecture that was `written`."""
    layers = sizes["vision_layers"]
    changed = {"vision_layers": tuple(layers) if isinstance(layers, list) else layers}
    changed |= {tower: Blocks(**sizes[tower]) for tower in TOWERS if tower in sizes}
    return Architecture(**sizes | changed)


class Lacking(ValueError):
    """Tensors are missing: `names`."""

    def __init__(self, names):
        super().__init__(f"it lacks {', '.join(names)}")
        self.names = names


# The tensors that say the sizes, and how many dimensions they have.
VIT = {"visual.conv1.weight": 4, "visual.positional_embedding": 2, "visual.proj": 2}
RESNET = {
    "visual.layer1.0.conv1.weight": 4,
    "visual.attnpool.positional_embedding": 2,
    "visual.attnpool.c_proj.weight": 2,
}
TEXT = {"token_embedding.weight": 2, "positional_embedding": 2, "text_projection": 2}

FACTORS = (".ls_1.gamma", ".ls_2.gamma")  # ends of names, in open_clip's blocks

BEGINNINGS = {  # of names; logit_scale is no tower's
    "visual": ("visual.",),
    "textual": (
        "token_embedding.",
        "positional_embedding",
        "transformer.",
        "ln_final.",
        "text_projection",
    ),
}


def tower_of(name):
    """The tower that a tensor belongs to, None where it is no tower's."""
    return next((tower for tower, start in BEGINNINGS.items() if name.startswith(start)), None)


def has_resnet(names):
    """Whether tensors of these names are a ResNet's, and not a ViT's."""
    return any(name.startswith(("visual.layer", "visual.attnpool.")) for name in names)


def of(directory):
    """The Architecture of data/checkpoints/MODEL: by its tensors, and by what lies beside them."""
    return dataclasses.replace(read(weights.shapes(directory)), **network.read(directory).blocks)


def read(shapes):
    """Architecture of a state dict given as {name: shape}: of both towers, or of the one it has.

    Of how a tower computes it says what the tensors show: how wide its MLPs are, which norms and
    factors there are; that the rest is as in OpenAI's code is only supposed. Raises ValueError if
    it is no CLIP's.
    """
    resnet = has_resnet(shapes)
    says = {"visual": RESNET if resnet else VIT, "textual": TEXT}
    reads = {"visual": _resnet if resnet else _vit, "textual": _text}
    found = {tower_of(name) for name in shapes} - {None} or {*TOWERS}
    towers = [tower for tower in TOWERS if tower in found]
    _check_ranks(shapes, {k: rank for tower in towers for k, rank in says[tower].items()})
    fields = {}
    for tower in towers:
        fields |= reads[tower](shapes)
    sizes = Architecture(**fields)
    _check_sizes(sizes)
    return sizes


def _check_ranks(shapes, ranks):
    missing = [name for name in ranks if name not in shapes]
    if missing:
        raise Lacking(missing)
    for name, rank in ranks.items():
        if len(shapes[name]) != rank:
            raise ValueError(f"{name} has {len(shapes[name])} dimensions, a CLIP's has {rank}")
    for name, shape in shapes.items():
        if 0 in shape:
            raise ValueError(f"{name} has a size of zero: {list(shape)}")


def _check_sizes(sizes):
    if "textual" in sizes.towers and sizes.context_length < LEAST_CONTEXT:
        raise ValueError(
            f"it reads {sizes.context_length} tokens at once, too few for a text: CLIP reads"
            f" {CONTEXT_LENGTH}"
        )
    for tower, layers in {"visual": sizes.vision_layers, "text": sizes.text_layers}.items():
        if layers == 0 or (isinstance(layers, tuple) and 0 in layers):
            raise ValueError(f"its {tower} tower has no layers")


def _vit(shapes):
    width, _, patch, _ = shapes["visual.conv1.weight"]
    return {
        "embed_dim": shapes["visual.proj"][1],
        "resolution": patch * _grid(shapes["visual.positional_embedding"][0]),
        "vision_layers": _children(shapes, "visual.transformer.resblocks."),
        "vision_width": width,
        "patch_size": patch,
        "visual": dataclasses.replace(
            _blocks(shapes, "visual.transformer.resblocks.", width),
            pre_norm=any(name.startswith("visual.ln_pre.") for name in shapes),
        ),
    }


def _resnet(shapes):
    return {
        "embed_dim": shapes["visual.attnpool.c_proj.weight"][0],
        "resolution": 32 * _grid(shapes["visual.attnpool.positional_embedding"][0]),
        "vision_layers": tuple(_children(shapes, f"visual.layer{n}.") for n in (1, 2, 3, 4)),
        "vision_width": shapes["visual.layer1.0.conv1.weight"][0],
        "patch_size": None,
    }


def _text(shapes):
    """The sizes of the textual tower; its `embed_dim` counts where both towers say one."""
    vocabulary, width = shapes["token_embedding.weight"]
    return {
        "embed_dim": shapes["text_projection"][1],
        "context_length": shapes["positional_embedding"][0],
        "vocab_size": vocabulary,
        "text_width": width,
        "text_layers": _children(shapes, "transformer.resblocks."),
        "textual": _blocks(shapes, "transformer.resblocks.", width),
    }


def _blocks(shapes, prefix, width):
    """The Blocks of a transformer, as far as its tensors say: a factor in any block is one in all,
    and of MLPs a tensor of another width is the odd one out."""
    ends = (".mlp.c_fc.weight", ".mlp.c_fc.bias")
    found = Counter(
        shape[0]
        for name, shape in shapes.items()
        if shape and name.startswith(prefix) and name.endswith(ends)
    )
    most = max(found.values(), default=0)
    likely = {mlp for mlp, count in found.items() if count == most} or {4 * width}
    return Blocks(
        mlp_width=None if 4 * width in likely else min(likely),
        layer_scale=any(k.startswith(prefix) and k.endswith(FACTORS) for k in shapes),
    )


def _children(shapes, prefix):
    return len({key.removeprefix(prefix).split(".")[0] for key in shapes if key.startswith(prefix)})


def _grid(positions):
    side = math.isqrt(positions - 1)
    if side * side + 1 != positions:
        raise ValueError(f"{positions} visual positions are no square grid and a class token")
    return side
