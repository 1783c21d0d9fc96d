"""OpenAI's picture transform (clip/clip.py, `_transform`) without torch, and its relatives."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_onnx.host.preparation import OPENAI, Preparation

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def preprocess(
    picture: Image.Image, side: int, preparation: Preparation = OPENAI
) -> NDArray[np.float32]:
    """A PIL picture → pixel_values, float32 [3, side, side].

    Resize of the shorter side, the longer one cut to whole pixels; then the centre, its
    offset rounded half to even; then RGB. This order and rounding are torchvision's.
    """
    width, height = picture.size
    size = (side, side)
    if preparation.resize == "shortest":
        short = min(width, height)
        size = (int(side * width / short), int(side * height / short))
    picture = picture.resize(size, FILTERS[preparation.interpolation])
    left, top = (round((length - side) / 2) for length in size)
    picture = picture.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    mean, deviation = (np.asarray(c, np.float32) for c in (preparation.mean, preparation.std))
    return ((pixels - mean) / deviation).transpose(2, 0, 1)
