"""OpenAI's picture transform (clip/clip.py, `_transform`) without torch, and its relatives."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_onnx.host.preparation import OPENAI, Preparation, Resize

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def preprocess(
    picture: Image.Image, side: int, preparation: Preparation = OPENAI
) -> NDArray[np.float32]:
    """A PIL picture → pixel_values, float32 [3, side, side].

    OpenAI's: resize of the shorter side, the longer one cut to whole pixels; then the centre, its
    offset rounded half to even; then RGB. This order and rounding are torchvision's, and in what
    `preparation` says otherwise open_clip's.
    """
    size = resized(picture.size, side, preparation.resize)
    picture = picture.resize(size, FILTERS[preparation.interpolation])
    left, top = (offset(length, side) for length in size)
    picture = picture.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    mean, deviation = (np.asarray(c, np.float32) for c in (preparation.mean, preparation.std))
    return ((pixels - mean) / deviation).transpose(2, 0, 1)


def resized(size: tuple[int, int], side: int, how: Resize) -> tuple[int, int]:
    """The size to which a picture is resized. Of a thin one `longest` leaves a pixel, where
    open_clip has none to resize to and raises."""
    if how == "squash":
        return side, side
    width, height = size
    if how == "longest":
        ratio = max(size) / side
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    short = min(size)
    return int(side * width / short), int(side * height / short)


def offset(length: int, side: int) -> int:
    """Where the centre of a resized side begins: before it, where the side is filled up."""
    return round((length - side) / 2) if length > side else -((side - length) // 2)
