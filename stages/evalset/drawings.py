"""Drawn, labelled pictures: 8 shapes × 8 colours × 2 sizes over uneven, noisy backgrounds.

The tiny models are trained on them, zero-shot accuracy is measured on them, and quantisers
calibrate on them. One picture is a function of a numpy Generator and its class alone.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": (205, 30, 35),
    "green": (25, 150, 50),
    "blue": (30, 60, 205),
    "yellow": (240, 215, 35),
    "purple": (130, 35, 150),
    "orange": (240, 125, 20),
    "white": (248, 248, 248),
    "black": (12, 12, 12),
}
SIZES = {"small": (0.13, 0.18), "large": (0.28, 0.38)}  # radius as a share of the picture's side


def _polygon(angles_and_radii):
    return [(r * math.sin(a), -r * math.cos(a)) for a, r in angles_and_radii]


def _heart():
    turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x = 16 * np.sin(turns) ** 3
    y = 13 * np.cos(turns) - 5 * np.cos(2 * turns) - 2 * np.cos(3 * turns) - np.cos(4 * turns)
    return [(a / 17, -b / 17) for a, b in zip(x, y, strict=True)]


# Outlines in units of the radius, y pointing down. A circle and a ring are ellipses.
SHAPES = {
    "circle": None,
    "ring": None,
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "triangle": _polygon((k * 2 * math.pi / 3, 1.1) for k in range(3)),
    "diamond": [(0, -1.15), (0.75, 0), (0, 1.15), (-0.75, 0)],
    "star": _polygon((k * math.pi / 5, (1.15, 0.45)[k % 2]) for k in range(10)),
    "cross": [
        (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3),
        (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3),
    ],
    "heart": _heart(),
}  # fmt: skip


class Label(NamedTuple):
    """One of the 128 classes; `str(label)` is how a caption names it."""

    size: str
    colour: str
    shape: str

    def __str__(self):
        return f"{self.size} {self.colour} {self.shape}"


PROMPTS = (
    "a photo of a {}.",
    "a {}",
    "a drawing of a {}",
    "there is a {} in the picture",
    "a picture of one {} on a blurry background",
    "a {}, somewhere in a noisy image.",
)
LABELS = [Label(*names) for names in itertools.product(SIZES, COLOURS, SHAPES)]

_SUPERSAMPLING = 4


def _mask(label, centre, radius, side):
    """The shape's coverage, float [side, side, 1] in 0…1."""
    scale = _SUPERSAMPLING
    mask = Image.new("L", (side * scale, side * scale))
    pen = ImageDraw.Draw(mask)
    cx, cy, r = (v * scale for v in (*centre, radius))
    outline = SHAPES[label.shape]
    if outline:
        pen.polygon([(cx + r * x, cy + r * y) for x, y in outline], fill=255)
    else:
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
        if label.shape == "ring":
            hole = 0.55 * r
            pen.ellipse((cx - hole, cy - hole, cx + hole, cy + hole), fill=0)
    return np.asarray(mask.reduce(scale), np.float32)[..., None] / 255


def _background(rng, colour, side):
    """Soft blotches, float [side, side, 3], whose mean stays away from the shape's colour."""
    while True:
        base = np.clip(rng.uniform(60, 200) + rng.normal(0, 25, 3), 0, 255)
        if np.abs(base - colour).sum() > 130:
            break
    blotches = np.clip(base + rng.normal(0, 18, (4, 4, 3)), 0, 255).astype(np.uint8)
    blotches = Image.fromarray(blotches).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(blotches, np.float32)


def draw(rng, label, side=64):
    """One picture of `label`: uint8 [side, side, 3]."""
    radius = rng.uniform(*SIZES[label.size]) * side
    centre = rng.uniform(1.1 * radius, side - 1.1 * radius, 2)
    colour = np.clip(np.array(COLOURS[label.colour]) + rng.normal(0, 10, 3), 0, 255)
    mask = _mask(label, centre, radius, side)
    picture = mask * colour + (1 - mask) * _background(rng, colour, side)
    picture += rng.normal(0, rng.uniform(2, 12), picture.shape)
    return np.clip(picture.round(), 0, 255).astype(np.uint8)
