"""Files of pictures: which are taken, and what is left out or refused before it is decoded."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clip_onnx import command, opening, picture_files
from stages.evalset import collection


def noise(path, size=(40, 50)):
    """A picture of noise, and the file that it was written to."""
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_all_that_pillow_opens_is_taken_and_others_are_named(workspace, capsys):
    folder = workspace / "mine"
    (folder / ".hidden").mkdir(parents=True)
    taken = ["a.avif", "b.jfif", "c.jpe", "d.JPG", "e.jp2", "f.tga", "g.qoi", "h.apng"]
    for name in taken:
        noise(folder / name)
    noise(folder / ".hidden/x.png")
    (folder / "._a.png").write_bytes(b"what macOS leaves")
    left = ["notes.txt", "i.heic", "j.eps", "k.pdf", "l.mpg", "m.wmf"]
    for name in left:
        (folder / name).write_bytes(b"%!PS")
    found = collection.photographs(folder)
    assert [source for _, source, _ in found] == taken
    said = capsys.readouterr().err
    assert all(repr(str(folder / name)) in said for name in left)
    assert ".hidden" not in said and "._a" not in said


def test_what_claims_to_be_a_picture_is_never_given_to_another_program(workspace):
    (workspace / "x.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    for read in (collection.read_picture, lambda path: opening.pixels(path, 32)):
        with pytest.raises(command.Refusal, match="cannot"):
            read(workspace / "x.png")


def test_files_that_are_no_plain_ones_are_left_out_unopened(workspace, capsys):
    folder = workspace / "mine"
    folder.mkdir()
    for number in range(4):
        noise(folder / f"{number}.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "loop").symlink_to(folder)
    (folder / "null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))
        assert len(collection.photographs(folder)) == 4
    said = capsys.readouterr().err
    for name in ("pipe.png", "gone.png", "loop", "null.png", "socket.png"):
        assert repr(str(folder / name)) in said


def test_a_broken_picture_with_a_bad_name_is_refused_in_one_line(workspace):
    path = Path(os.fsdecode(b"\xff\n\x1b[2J.png"))
    path.write_bytes(b"no picture")
    with pytest.raises(command.Refusal) as caught:
        collection.read_picture(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pictures_of_more_than_8_bits_are_refused(workspace, mode):
    """OpenAI's code makes them white."""
    Image.new(mode, (30, 30)).save(workspace / "deep.tiff")
    with pytest.raises(command.Refusal, match="more than 8 bits"):
        collection.read_picture(workspace / "deep.tiff")


def test_a_line_that_would_fill_the_memory_is_refused(workspace):
    Image.new("RGB", (1, 1001)).save(workspace / "line.png")
    for read in (collection.read_picture, lambda path: opening.pixels(path, 32)):
        with pytest.raises(command.Refusal, match=r"line.png' has 1 × 1001 pixels"):
            read(workspace / "line.png")
    with pytest.raises(command.Refusal, match="array uint8 .* has 60000 × 1 pixels"):
        opening.pixels(np.zeros((1, 60000, 3), np.uint8), 224)
    assert opening.pixels(Image.new("L", (1, 1000)), 32).shape == (3, 32, 32)


def test_the_endings_are_pillows():
    assert {".avif", ".jfif", ".jpe", ".jpg", ".png", ".webp", ".jp2"} <= picture_files.ENDINGS
    assert not {".pdf", ".eps", ".ps", ".mpg", ".h5", ".wmf"} & picture_files.ENDINGS
