"""Files of pictures: which Pillow reads, those of a folder, and reading one."""

import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFile

from clip_onnx.command import Refusal

DEEP = ("I", "F")  # modes of more than 8 bits, which PIL would cut off at white
NARROWEST = 1000  # times as long as wide: 50 megapixels when the short side becomes 224
# EPS is a program that Pillow gives to Ghostscript; of MPEG it reads the size alone.
NEVER = {"EPS", "MPEG"}


def _formats() -> list[str]:
    """The formats that Pillow decodes by itself, not by another program's handler."""
    Image.init()
    return [
        name
        for name, (plugin, _) in Image.OPEN.items()
        if name not in NEVER
        and not (isinstance(plugin, type) and issubclass(plugin, ImageFile.StubImageFile))
    ]


FORMATS = _formats()
ENDINGS = frozenset(e for e, name in Image.registered_extensions().items() if name in FORMATS)


def within(folder: Path, leave_out: Callable[[Path, str], None]) -> list[Path]:
    """The files in a folder, at any depth, that end as pictures do, sorted.

    Nothing is opened, no link to a folder followed. What is left out is told by
    `leave_out(path, why)`, but for hidden files and folders (`.name`).
    """

    def fail(error: OSError) -> None:
        raise error

    found = []
    for directory, folders, files in os.walk(folder, onerror=fail):
        here = Path(directory)
        for name in folders:
            if not name.startswith(".") and (here / name).is_symlink():
                leave_out(here / name, "a link to a folder")
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (here / name for name in files if not name.startswith(".")):
            if path.suffix.lower() not in ENDINGS:
                leave_out(path, "of no format that Pillow reads")
            elif not path.is_file():
                leave_out(path, "no plain file")
            else:
                found.append(path)
    return sorted(found)


def read(path: str | Path) -> Image.Image:
    """The picture in a file, decoded. Raises Refusal, or whatever its decoder does."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise Refusal(f"{str(path)!r} is no plain file: name a picture")
    with Image.open(path, formats=FORMATS) as picture:
        picture.load()
        return check(picture, repr(str(path)))


def check(picture: Image.Image, name: str) -> Image.Image:
    """The picture, refused if OpenAI's transform would make it white, or fill the memory with it.

    The transform resizes the whole before it cuts the centre out. Resizing the centre alone takes
    less, but gives other pixels (tests/test_preprocessing.py).
    """
    if picture.mode.startswith(DEEP):
        raise Refusal(f"{name} has more than 8 bits a channel: scale it to 8 first")
    if max(picture.size) > NARROWEST * min(picture.size):
        raise Refusal(
            f"{name} has {picture.width} × {picture.height} pixels, more than {NARROWEST} times as"
            " much one way as the other: cut it first"
        )
    return picture
