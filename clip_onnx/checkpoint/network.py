"""What a checkpoint's sizes do not say of its network: how its towers compute, whose code it is.

`network.json` stands beside a checkpoint's weights (data/checkpoints/MODEL) where the network is
not OpenAI's: the family whose package defines it, the configuration as that package takes it, and
what the towers here read in it. Nothing here needs torch.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clip_onnx.names import NETWORK, TOWERS

OPENAI, OPEN_CLIP, HUGGING_FACE = "openai", "open_clip", "huggingface"  # the families
QUICK_GELU, GELU, GELU_TANH = "quick_gelu", "gelu", "gelu_tanh"  # the activations
HEAD_WIDTH = 64  # of every attention layer that OpenAI published
# What a picture's embedding is the projection of: the norm of the class token, or of the patches'
# mean, or the mean of the patches' norms.
TOKEN, NORM_OF_MEAN, MEAN_OF_NORMS = "token", "norm_of_mean", "mean_of_norms"


@dataclass(frozen=True)
class Blocks:
    """How a tower computes: as OpenAI's do where nothing else is said."""

    activation: str = QUICK_GELU
    eps: float = 1e-5  # of every LayerNorm of the tower
    head_width: int = HEAD_WIDTH
    mlp_width: int | None = None  # none: four times the tower's
    layer_scale: bool = False  # whether a factor a channel multiplies what a block's parts add
    pre_norm: bool = True  # whether a LayerNorm is in front of a visual tower's blocks
    pooling: str = TOKEN  # of a visual tower
    end_id: int | None = None  # of the token at which a text ends; none: of CLIP's, the highest


class Network(NamedTuple):
    """The code that defines a checkpoint, and what its configuration says.

    `configuration` is what the family's package takes: `model_cfg` of open_clip, a CLIPConfig of
    transformers; nothing of OpenAI's, whose code goes by the tensors.
    """

    family: str = OPENAI
    configuration: dict | None = None
    visual: Blocks = Blocks()
    textual: Blocks = Blocks()

    @property
    def blocks(self):
        """{tower: Blocks}."""
        return {tower: getattr(self, tower) for tower in TOWERS}


def write(directory, network):
    """Keep the Network of data/checkpoints/MODEL: OpenAI's by no file at all."""
    if network.family != OPENAI:
        content = {"family": network.family, "configuration": network.configuration}
        content |= {tower: dataclasses.asdict(how) for tower, how in network.blocks.items()}
        text = json.dumps(content, indent=1, allow_nan=False)
        (Path(directory) / NETWORK).write_text(text + "\n", "utf-8")


def read(directory):
    """The Network of data/checkpoints/MODEL."""
    file = Path(directory) / NETWORK
    if not file.exists():
        return Network()
    content = json.loads(file.read_text("utf-8"))
    return Network(**content | {tower: Blocks(**content[tower]) for tower in TOWERS})
