"""How pictures are prepared for a visual tower, as data: said in metadata, kept in a file.

`preparation.json` stands beside a checkpoint's weights (data/checkpoints/MODEL) where it asks for
another preparation than OpenAI's.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from clip_onnx.names import PREPARATION

Channels = tuple[float, float, float]  # of red, green and blue
Interpolation = Literal["bicubic", "bilinear"]
Resize = Literal["shortest", "squash", "longest"]
RESIZED = {  # and cropped
    "shortest": ("shorter side", "centre"),
    "squash": ("both sides", "none"),
    "longest": ("longer side, the other rounded", "none, centred on 0 of every channel"),
}


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes pixel_values: OpenAI's way where nothing else is said.

    `shortest` resizes the shorter side and keeps the centre, `squash` makes the whole picture
    square, `longest` resizes the longer side and puts zeros around. `mean` and `std` are of levels
    from 0 to 1.
    """

    mean: Channels = (0.48145466, 0.4578275, 0.40821073)
    std: Channels = (0.26862954, 0.26130258, 0.27577711)
    interpolation: Interpolation = "bicubic"
    resize: Resize = "shortest"


OPENAI = Preparation()


def description(side: int, preparation: Preparation = OPENAI) -> dict[str, Any]:
    """A Preparation in words and numbers, for the metadata of a graph."""
    resized, crop = RESIZED[preparation.resize]
    return {
        "colour": "RGB, alpha dropped, EXIF orientation ignored",
        "resize": f"{resized}, {preparation.interpolation} with antialiasing (Pillow)",
        "crop": crop,
        "side": side,
        "scale": "1/255",
        "mean": list(preparation.mean),
        "std": list(preparation.std),
    }


def described(stated: Any) -> tuple[int, Preparation]:
    """(side, Preparation) of a `description`. Raises ValueError for anything else."""
    try:
        side, mean, std = stated["side"], tuple(stated["mean"]), tuple(stated["std"])
    except (KeyError, TypeError):
        raise ValueError("it does not describe pictures") from None
    for interpolation in get_args(Interpolation):
        for resize in get_args(Resize):
            preparation = Preparation(mean, std, interpolation, resize)
            if description(side, preparation) == stated:
                return side, preparation
    raise ValueError("it describes pictures in words of another version")


def write(directory: str | Path, preparation: Preparation) -> None:
    """Keep the Preparation of data/checkpoints/MODEL: OpenAI's by no file at all."""
    if preparation != OPENAI:
        content = json.dumps(dataclasses.asdict(preparation), indent=1, allow_nan=False)
        (Path(directory) / PREPARATION).write_text(content + "\n", "utf-8")


def read(directory: str | Path) -> Preparation:
    """The Preparation of data/checkpoints/MODEL."""
    file = Path(directory) / PREPARATION
    if not file.exists():
        return OPENAI
    content = json.loads(file.read_text("utf-8"))
    return Preparation(**content | {name: tuple(content[name]) for name in ("mean", "std")})
