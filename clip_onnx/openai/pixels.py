"""The evaluation set's pictures as the model's own transform sees them, a batch at a time."""

import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from tqdm import tqdm

from clip_onnx import openai
from clip_onnx.host import preparation
from clip_onnx.measure import inputs

BATCH, LARGE = 4, 224  # of more pixels a side a batch is one: RN50x64's activations are large


def batches(items, title, size=BATCH):
    steps = range(0, len(items), size)
    return (items[start : start + size] for start in tqdm(steps, desc=title))


def transform(side, wanted):
    """PIL picture → pixel_values: OpenAI's transform, or torchvision's as open_clip puts it."""
    if wanted == preparation.OPENAI:
        return openai.transform(side)
    interpolation = transforms.InterpolationMode(wanted.interpolation)
    resize = {
        "shortest": transforms.Resize(side, interpolation),
        "squash": transforms.Resize((side, side), interpolation),
        "longest": lambda picture: fitted(picture, side, interpolation),
    }
    return transforms.Compose(
        [
            resize[wanted.resize],
            transforms.CenterCrop(side),  # which fills up what is smaller
            lambda picture: picture.convert("RGB"),
            transforms.ToTensor(),
            transforms.Normalize(wanted.mean, wanted.std),
        ]
    )


def fitted(picture, side, interpolation):
    """A picture whose longer side is `side`, in the proportions that open_clip gives it."""
    width, height = picture.size
    ratio = max(height / side, width / side)
    size = [max(1, round(length / ratio)) for length in (height, width)]
    return transforms.functional.resize(picture, size, interpolation)


def pixel_values(evalset, names, side, wanted, path):
    """Batches [B, 3, side, side] of the evaluation set's pictures, written to `path` on the way."""
    preprocess = transform(side, wanted)
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), 3, side, side)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches(names, "pictures", 1 if side > LARGE else BATCH):
            pictures = (Image.fromarray(inputs.picture(evalset, name)) for name in batch)
            pixels = torch.stack([preprocess(picture) for picture in pictures])
            pixels.numpy().tofile(file)
            yield pixels
