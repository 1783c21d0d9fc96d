import json
import os
import re
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from clip_onnx import command, openai, opening, picture_files
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION, LABELLED
from stages.evalset import captions, collection

import small

SHIPPED = small.EVALSET
# Words that carry no content, with the ends of contractions and the beginning of a camera's names.
COMMON = """about and around at below beside by d each from img in it ll of off on one only or out s
she that their they to until who with"""


@pytest.fixture
def full(workspace):
    """The shipped evaluation set, at its full size."""
    content = small.params({})
    content |= {"models": {"any": {"source": "x"}}}
    content["grid"]["models"] = ["any"]
    content["floors"] = {"any": {}}
    content["evalset"] |= {"crops": 6, "drawn": 512}
    small.write_params(workspace, content)
    small.run_stage("evalset", *SHIPPED, "data/evalset")
    return read(workspace / "data/evalset")


def read(folder):
    index = json.loads((folder / "pictures.json").read_text())
    texts = json.loads((folder / "captions.json").read_text())
    return index, texts, load_file(folder / "pictures.safetensors")


def of(index, split):
    return [row for row in index if row["split"] == split]


def test_shipped_set_is_large_and_its_splits_share_no_source(full):
    index, texts, pictures = full
    evaluation, calibration = of(index, EVALUATION), of(index, CALIBRATION)
    sources = {row["source"] for row in evaluation}
    assert len(sources) >= 10
    assert len(evaluation) >= 64
    assert not sources & {row["source"] for row in calibration}
    assert {"motorcycle/motorcycle_left/0", "motorcycle/motorcycle_right/0"} <= set(pictures)
    shapes = [pictures[row["name"]].shape for row in evaluation]
    assert sum(height != width for height, width, _ in shapes) >= 10
    assert len(texts[EVALUATION]) == len(set(texts[EVALUATION])) >= 256
    assert not set(texts[EVALUATION]) & set(texts[CALIBRATION])
    labels = [row["label"] for row in of(index, LABELLED)]
    assert sorted(labels) == sorted(list(range(128)) * 4)


def test_one_shipped_caption_needs_truncation(full):
    _, texts, _ = full
    rows = openai.tokenize(texts[EVALUATION], truncate=True)
    assert (rows[:, -1] == 49407).any()
    with pytest.raises(RuntimeError, match="too long"):
        openai.tokenize(texts[EVALUATION])


def test_labelled_drawings_are_none_that_calibrate(full):
    index, _, pictures = full
    calibration = {pictures[row["name"]].tobytes() for row in of(index, CALIBRATION)}
    assert not calibration & {pictures[row["name"]].tobytes() for row in of(index, LABELLED)}


def test_same_bytes_twice(workspace):
    for folder in ("a", "b"):
        small.run_stage("evalset", *SHIPPED, folder)
    for file in (workspace / "a").iterdir():
        assert file.read_bytes() == (workspace / "b" / file.name).read_bytes()


def test_own_pictures_and_captions(workspace):
    rng = np.random.default_rng(0)
    (workspace / "mine/deeper").mkdir(parents=True)
    for number in range(8):
        pixels = rng.integers(0, 255, (40 + number, 60, 4), np.uint8)
        Image.fromarray(pixels).save(workspace / f"mine/deeper/{number}.png")
    (workspace / "mine.txt").write_text("\n".join(f"caption {n}" for n in range(8)))
    small.run_stage("evalset", "mine", "mine.txt", "data/evalset")
    index, texts, pictures = read(workspace / "data/evalset")
    own = [row for row in index if row["label"] is None]
    assert sum(row["split"] == CALIBRATION for row in own) == 2 * 2  # itself and one crop, twice
    assert pictures["deeper/3.png/3/0"].shape == (43, 60, 3)
    assert texts[CALIBRATION] == ["caption 3", "caption 7"]


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_refuses_an_empty_folder_and_a_broken_picture(workspace, content):
    (workspace / "mine").mkdir()
    if content:
        for number in range(4):
            (workspace / f"mine/{number}.jpg").write_bytes(content)
    with pytest.raises(command.Refusal, match=r"0 pictures|0\.jpg' cannot be decoded"):
        small.run_stage("evalset", "mine", SHIPPED[1], "data/evalset")
    assert not list((workspace).glob("data/*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo\n", "no calibration captions"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "no evaluation"),
        (b"a\n--- calibration ---\nb\n --- calibration ---\nc\n", "stands there 2 times"),
        (b"a\n" + b"b" * 2001, "line 2 has 2001 characters"),
    ],
)
def test_refuses_captions_it_cannot_split(workspace, content, message):
    (workspace / "mine.txt").write_bytes(content)
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("evalset", SHIPPED[0], "mine.txt", "data/evalset")


def test_refuses_a_missing_path(workspace):
    with pytest.raises(command.Refusal, match="nowhere is neither a folder"):
        small.run_stage("evalset", "nowhere", SHIPPED[1], "data/evalset")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,source\na.png,a\n", "nor a table of file, source and split"),
        ("file,source,split\na.png,a,training\n", "evaluation or calibration"),
        ("file,source,split\na,s,evaluation\nb,s,calibration\n", "s stands in both splits"),
    ],
)
def test_refuses_a_table_that_it_cannot_split(workspace, table, message):
    (workspace / "mine.csv").write_text(table)
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("evalset", "mine.csv", SHIPPED[1], "data/evalset")


def test_refuses_a_caption_of_both_splits(workspace):
    (workspace / "mine.txt").write_text("same\nother\n--- calibration ---\nsame\n")
    with pytest.raises(command.Refusal, match="'same' stands in both splits"):
        small.run_stage("evalset", SHIPPED[0], "mine.txt", "data/evalset")


@pytest.mark.parametrize(
    ("evaluated", "calibrates"),
    [
        ("A Red Car", "a  red car"),
        ("fish &amp; chips", "Fish & Chips"),
        ("Schl\u00f6sser", "Schl\u00c3\u00b6sser"),  # mojibake, which OpenAI's code mends
        ("other", "A Photo of a small red circle."),  # names a drawing, as evaluation does
    ],
)
def test_captions_are_the_same_where_clip_reads_the_same(workspace, evaluated, calibrates):
    (workspace / "mine.txt").write_text(f"{evaluated}\n{captions.BORDER}\n{calibrates}\n", "utf-8")
    with pytest.raises(command.Refusal, match="stands in both splits") as caught:
        captions.read(workspace / "mine.txt")
    assert repr(calibrates) in str(caught.value)


def test_a_caption_counts_once_however_it_is_written(workspace):
    (workspace / "mine.txt").write_text("One\none \nONE\n&nbsp;\nTwo\n--- calibration ---\nthree")
    found = captions.read(workspace / "mine.txt")
    assert found[EVALUATION][-2:] == ["One", "Two"]
    assert found[CALIBRATION] == ["three"]


@pytest.mark.parametrize(
    "border", ["--- calibration ---  ", "\ufeff--- calibration ---", "--- Calibration ---\t\r"]
)
def test_the_border_is_found_with_what_editors_add(workspace, border):
    (workspace / "mine.txt").write_text(f"\ufeffone\ntwo\n{border}\nthree\n", "utf-8")
    found = captions.read(workspace / "mine.txt")
    assert found[EVALUATION][-2:] == ["one", "two"]
    assert found[CALIBRATION] == ["three"]


def test_large_own_pictures_are_scaled_down(workspace):
    Image.new("RGB", (3200, 100)).save(workspace / "large.png")
    assert collection.read_picture(workspace / "large.png").shape == (48, 1536, 3)


def test_calibration_captions_share_no_content_word_with_evaluation():
    evaluation, calibration = Path(SHIPPED[1]).read_text().split("--- calibration ---")
    words = [set(re.findall(r"[^\W\d_]+", text.lower())) for text in (evaluation, calibration)]
    assert min(map(len, words)) > 400
    assert words[0] & words[1] <= set(COMMON.split())


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


@pytest.mark.parametrize("place", [0, 1])
def test_a_pipe_for_the_pictures_or_the_captions_is_not_opened(workspace, place):
    os.mkfifo(workspace / "pipe")
    inputs = [*SHIPPED]
    inputs[place] = "pipe"
    with pytest.raises(command.Refusal, match="pipe is no plain file"):
        small.run_stage("evalset", *inputs, "data/evalset")
    with pytest.raises(command.Refusal, match="no plain file"):
        opening.pixels(workspace / "pipe", 32)


def test_names_that_are_not_utf_8(workspace):
    (workspace / "mine").mkdir()
    for number in range(4):
        noise(workspace / "plain.png").rename(os.fsdecode(b"mine/\xff\n%d.png" % number))
    small.run_stage("evalset", "mine", SHIPPED[1], "data/evalset")
    index, _, pictures = read(workspace / "data/evalset")
    assert index[0]["name"] == "\\xff\n0.png/\\xff\n0/0"
    assert {row["name"] for row in index} == pictures.keys()


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


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("a,evaluation b,evaluation", {"drawn_calibration": 1}, "gives 1 calibration pictures"),
        ("a,evaluation b,evaluation", {"drawn_calibration": 0}, "gives 0 calibration pictures"),
        ("a,evaluation b,calibration", {"crops": 0}, "gives 1 evaluation pictures"),
        ("a,evaluation b,calibration", {"drawn": 127}, "leave 1 of 128 classes out"),
    ],
)
def test_too_few_pictures_are_refused_before_one_is_opened(workspace, table, changes, message):
    rows = [f"{row.split(',')[0]}.png,{row}" for row in table.split()]
    (workspace / "mine.csv").write_text("\n".join(["file,source,split", *rows]))
    content = small.params({})
    content |= {"models": {"any": {"source": "x"}}}
    content["grid"]["models"] = ["any"]
    content["floors"] = {"any": {}}
    content["evalset"] |= changes
    small.write_params(workspace, content)
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("evalset", "mine.csv", SHIPPED[1], "data/evalset")


def test_pictures_of_one_name_are_refused(workspace):
    (workspace / "mine.csv").write_text(
        "file,source,split\na.png,a,evaluation\na.jpg,a,evaluation\n"
    )
    with pytest.raises(command.Refusal, match="'a/a' is named twice"):
        collection.photographs(workspace / "mine.csv")


def test_the_set_takes_the_memory_of_a_picture(workspace):
    (workspace / "mine").mkdir()
    for number in range(20):
        Image.new("RGB", (1536, 1536), "red").save(workspace / f"mine/{number}.png")
    tracemalloc.start()
    small.run_stage("evalset", "mine", SHIPPED[1], "data/evalset")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (workspace / "data/evalset/pictures.safetensors").stat().st_size > 20 * 1536**2 * 3
    assert peak < 4 * 1536**2 * 3


def test_the_endings_are_pillows():
    assert {".avif", ".jfif", ".jpe", ".jpg", ".png", ".webp", ".jp2"} <= picture_files.ENDINGS
    assert not {".pdf", ".eps", ".ps", ".mpg", ".h5", ".wmf"} & picture_files.ENDINGS
