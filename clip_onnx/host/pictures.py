"""OpenAI's picture transform (clip/clip.py, `_transform`) without torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def preprocess(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """A PIL picture → pixel_values, float32 [3, side, side].

    Bicubic resize of the shorter side, the longer one cut to whole pixels; then the centre, its
    offset rounded half to even; then RGB. This order and rounding are torchvision's.
    """
    width, height = picture.size
    short = min(width, height)
    size = (int(side * width / short), int(side * height / short))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2) for length in size)
    picture = picture.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    mean, deviation = np.asarray(MEAN, np.float32), np.asarray(STD, np.float32)
    return ((pixels - mean) / deviation).transpose(2, 0, 1)


def description(side: int) -> dict[str, Any]:
    """The same in words and numbers, for the metadata of a graph."""
    return {
        "colour": "RGB, alpha dropped, EXIF orientation ignored",
        "resize": "shorter side, bicubic with antialiasing (Pillow)",
        "crop": "centre",
        "side": side,
        "scale": "1/255",
        "mean": list(MEAN),
        "std": list(STD),
    }
