"""What a checkpoint's tensors do not say of its network: how its blocks compute, whose code it is.

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


@dataclass(frozen=True)
class Blocks:
    """How the blocks of a tower compute: as OpenAI's do where nothing else is said."""

    activation: str = QUICK_GELU
    eps: float = 1e-5  # of every LayerNorm of the tower
    head_width: int = HEAD_WIDTH
    mlp_width: int | None = None  # none: four times the tower's


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
