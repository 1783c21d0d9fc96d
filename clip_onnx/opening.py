"""Pictures in every form that a user has them, as PIL has them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_onnx import picture_files
from clip_onnx.command import Refusal, first_line
from clip_onnx.host.pictures import preprocess
from clip_onnx.host.preparation import OPENAI, Preparation

Picture = Any  # a path, a PIL image, or uint8 [height, width], [height, width, 3 or 4]


def pixels(picture: Picture, side: int, preparation: Preparation = OPENAI) -> NDArray[np.float32]:
    """float32 [3, side, side] of one picture. Raises Refusal that names it."""
    name = called(picture)
    try:
        return preprocess(opened(picture), side, preparation)
    except Refusal:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise Refusal(
            f"{name} cannot be read as a picture, mend or leave it out: {first_line(error)}"
        ) from None


def called(picture: Picture) -> str:
    """What a message calls a picture."""
    if isinstance(picture, str | Path):
        return repr(str(picture))
    if isinstance(picture, np.ndarray):
        return f"an array {picture.dtype} {list(picture.shape)}"
    return f"a {type(picture).__name__}"


def opened(picture: Picture) -> Image.Image:
    """The picture, read whole. Raises Refusal, or whatever its decoder does."""
    if isinstance(picture, Image.Image):
        picture.load()
        return picture_files.check(picture, called(picture))
    if isinstance(picture, np.ndarray):
        shape = picture.shape
        fits = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))
        if picture.dtype != np.uint8 or not fits or 0 in shape:
            raise Refusal(f"{called(picture)} is no picture: give uint8 [height, width, 3]")
        return picture_files.check(Image.fromarray(picture), called(picture))
    if not isinstance(picture, str | Path):
        raise Refusal(f"{called(picture)} is no picture: give a path, a PIL image or an array")
    return picture_files.read(picture)
