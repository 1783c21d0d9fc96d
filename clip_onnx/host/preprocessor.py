"""Hugging Face's preprocessor_config.json: a bundle's, and that of other people's checkpoints."""

import json
import math
from typing import Any, NoReturn

from clip_onnx.host.preparation import OPENAI, Channels, Interpolation, Preparation, Resize

FILE = "preprocessor_config.json"
TYPE = "CLIPImageProcessor"
TYPES = (TYPE, f"{TYPE}Fast", f"{TYPE}Pil", "CLIPFeatureExtractor")
RESAMPLE: dict[Interpolation, int] = {"bicubic": 3, "bilinear": 2}  # as Pillow numbers them
CARRIED = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
NOT_NORMALIZED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
LARGEST = 4096  # pixels a side
MEANS, STDS = (-1e4, 1e4), (1e-4, 1e4)  # what single precision can compute with


def written(side: int, preparation: Preparation = OPENAI) -> dict[str, Any]:
    """The file's content. `crop_size` stands there even where nothing is cut: it is the side."""
    square = {"height": side, "width": side}
    sizes = {
        "shortest": {"shortest_edge": side},
        "squash": square,
        "longest": {"shortest_edge": side, "longest_edge": side},
    }
    return {
        "image_processor_type": TYPE,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": sizes[preparation.resize],
        "resample": RESAMPLE[preparation.interpolation],
        "do_center_crop": preparation.resize != "squash",
        "crop_size": square,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preparation.mean),
        "image_std": list(preparation.std),
    }


def read(content: Any, side: int | None = None) -> tuple[int, Preparation]:
    """(side, Preparation) that a file's content asks for.

    What it leaves out is as CLIPImageProcessor has it, and sizes are those of the tower that sees
    `side` x `side` pixels; without `side` the file must say it. Raises ValueError that names the
    field, its value, and what is possible.
    """
    given = fields(content)
    for name in ("image_processor_type", "feature_extractor_type"):
        if given.get(name, TYPE) not in TYPES:
            refuse(name, given[name], TYPE)
    for name in given:
        if name.startswith("do_") and name not in CARRIED and given[name]:
            refuse(name, given[name], "false")
    for name in ("do_resize", "do_rescale"):
        if not _flag(given, name):
            refuse(name, False, "true")
    factor = given.get("rescale_factor", 1 / 255)
    if not (_is_number(factor) and abs(255 * factor - 1) < 1e-6):
        refuse("rescale_factor", factor, f"{1 / 255}, which is 1/255")
    mean, std = NOT_NORMALIZED
    if _flag(given, "do_normalize"):
        mean, std = channels(given, "image_mean", "image_std")
    side, resize = _sizes(given, side)
    return side, Preparation(mean, std, _interpolation(given), resize)


def fields(content: Any) -> dict[str, Any]:
    """What an object of JSON says; null says nothing."""
    if not isinstance(content, dict):
        refuse("the content", content, "an object")
    return {name: value for name, value in content.items() if value is not None}


def _interpolation(given: dict[str, Any]) -> Interpolation:
    number = given.get("resample", RESAMPLE["bicubic"])
    names = {number: name for name, number in RESAMPLE.items()}
    if not _is_number(number) or number not in names:
        refuse("resample", number, "3 (bicubic) or 2 (bilinear)")
    return names[number]


def _sizes(given: dict[str, Any], side: int | None) -> tuple[int, Resize]:
    """(side, how a picture is resized to it)."""
    cropped, crop, size = _flag(given, "do_center_crop"), given.get("crop_size"), given.get("size")
    if side is None:
        side = _square(crop) or _square(size)
    if side is None:
        refuse("crop_size", crop, f"the pictures' side, 1 to {LARGEST} pixels")
    if cropped and crop is not None and _square(crop) != side:
        refuse("crop_size", crop, f"{side}, which is the tower's")
    resize = _resize(size)
    wanted = _square(size) if resize == "squash" else _edge(size)
    if size is not None and wanted != side:
        refuse("size", size, f"{side}, which is the tower's, as shortest_edge or height and width")
    if not cropped and resize != "squash":
        square = f'{{"height": {side}, "width": {side}}}'
        refuse("do_center_crop", False, f"true, or false with a size of {square}")
    return side, resize


def _resize(size: Any) -> Resize:
    """How a picture is resized, by the names of a size's numbers."""
    names = {*size} if isinstance(size, dict) else set()
    if names == {"height", "width"}:
        return "squash"
    return "longest" if names == {"shortest_edge", "longest_edge"} else "shortest"


def _square(size: Any) -> int | None:
    """The side that a size is square of: a number, or height and width."""
    if isinstance(size, dict) and {*size} == {"height", "width"}:
        height, width = size["height"], size["width"]
        size = height if height == width else None
    return size if type(size) is int and 0 < size <= LARGEST else None


def _edge(size: Any) -> int | None:
    """The side that a size asks for: a number, or the shorter one's; none may be longer than it."""
    if isinstance(size, dict):
        edges = {*size} <= {"shortest_edge", "longest_edge"} and {*map(repr, size.values())}
        size = size.get("shortest_edge") if edges and len(edges) == 1 else None
    return size if type(size) is int else None


def channels(given: dict[str, Any], mean: str, std: str) -> tuple[Channels, Channels]:
    """Two fields, each a list of three numbers or one number for all; OpenAI's where left out."""
    return _channels(given, mean, OPENAI.mean, *MEANS), _channels(given, std, OPENAI.std, *STDS)


def _channels(
    given: dict[str, Any], name: str, default: Channels, least: float, most: float
) -> Channels:
    """Numbers that are the default's in single precision, as pixels are, are the default's own."""
    value = given.get(name, list(default))
    numbers = value if isinstance(value, list) else [value] * 3
    if len(numbers) != 3 or not all(_is_number(one) and least <= one <= most for one in numbers):
        refuse(name, value, f"{least:g} to {most:g} for each of red, green and blue")
    if all(math.isclose(*pair, rel_tol=1e-7) for pair in zip(numbers, default, strict=True)):
        return default
    red, green, blue = map(float, numbers)
    return red, green, blue


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given.get(name, True)
    if not isinstance(value, bool):
        refuse(name, value, "true or false")
    return value


def refuse(name: str, value: Any, possible: str) -> NoReturn:
    """A ValueError of one line that names a field, its value, and what is possible."""
    try:
        shown = json.dumps(value, allow_nan=False)
    except ValueError:  # what JSON has no word for
        shown = str(value)
    shown = f"{shown[:60]}…" if len(shown) > 60 else shown
    raise ValueError(f"{name} is {shown}, possible is {possible}")
