"""Broken pictures: whatever is in the file, a picture or one line comes out."""

import io
import warnings

import numpy as np
from PIL import Image

from clip_onnx import command, opening
from stages.evalset import collection

import budget

SIDE = 32
MEMORY = 3 << 20  # KiB: Pillow refuses above 179 megapixels
KINDS = {
    "png": ("PNG", {}),
    "palette.png": ("PNG", {}),
    "jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "webp": ("WEBP", {}),
    "gif": ("GIF", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "raw.tiff": ("TIFF", {}),
    "bmp": ("BMP", {}),
    "ico": ("ICO", {}),
    "avif": ("AVIF", {}),
    "jp2": ("JPEG2000", {}),
    "ppm": ("PPM", {}),
    "tga": ("TGA", {}),
    "qoi": ("QOI", {}),
}
MODES = {"palette.png": "P", "gif": "P", "ico": "RGBA"}


def written():
    """{ending: bytes} of one small picture in many formats."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 3), np.uint8)
    files = {}
    for ending, (kind, options) in KINDS.items():
        file = io.BytesIO()
        Image.fromarray(pixels).convert(MODES.get(ending, "RGB")).save(file, kind, **options)
        files[ending] = file.getvalue()
    return files


def mutated(rng, content):
    """Bytes changed, cut, doubled or swapped for extremes; more often near the header."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        if not content:
            break
        reach = len(content) if rng.random() < 0.5 else min(len(content), 64)
        place = int(rng.integers(reach))
        match rng.integers(5):
            case 0:
                content[place] ^= 1 << int(rng.integers(8))
            case 1:
                content[place] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                del content[place : place + int(rng.integers(1, 40))]
            case 3:
                content[place:place] = content[: int(rng.integers(1, 40))]
            case 4:
                width = int(rng.choice([2, 4]))
                content[place : place + width] = bytes([255]) * width
    return bytes(content)


def outcome(read):
    """What comes out: pixels, or a message that must be one line."""
    try:
        return read()
    except command.Refusal as refusal:
        assert "\n" not in str(refusal)
        return None


def test_mutated_pictures_are_read_or_refused(tmp_path):
    files = written()

    def attempt(rng):
        """Whether a picture came out."""
        ending = str(rng.choice([*files]))
        path = tmp_path / f"x.{ending}"
        path.write_bytes(mutated(rng, files[ending]))
        with warnings.catch_warnings():  # a user's run goes on after Pillow's, too
            warnings.simplefilter("ignore")
            pixels = outcome(lambda: collection.read_picture(path))
            if pixels is not None:
                assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and pixels.size
            values = outcome(lambda: opening.pixels(path, SIDE))
        if values is not None:
            assert values.shape == (3, SIDE, SIDE) and np.isfinite(values).all()
        return pixels is not None

    read = [attempt(rng) for rng in budget.rounds(np.random.default_rng, MEMORY)]
    assert 0 < sum(read) < len(read)
    print(f"{len(read)} pictures, {sum(read)} of them read")
