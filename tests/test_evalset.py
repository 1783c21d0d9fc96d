import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from clip_onnx import command, openai, opening
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION, LABELLED
from stages.evalset import collection

import small

SHIPPED = small.EVALSET


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
    index = json.loads((folder / "pictures.json").read_text("utf-8"))
    texts = json.loads((folder / "captions.json").read_text("utf-8"))
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


def test_captions_of_any_language_in_any_locale(workspace):
    """A locale that knows no UTF-8, as Python sees it: it would read and write ASCII."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    line = [sys.executable, "-m", "stages.evalset", *SHIPPED]
    subprocess.run([*line, "ascii"], check=True, env=os.environ | locale)
    small.run_stage("evalset", *SHIPPED, "here")
    for file in (workspace / "ascii").iterdir():
        assert file.read_bytes() == (workspace / "here" / file.name).read_bytes()


def test_own_pictures_and_captions(workspace):
    rng = np.random.default_rng(0)
    (workspace / "mine/deeper").mkdir(parents=True)
    for number in range(8):
        pixels = rng.integers(0, 255, (40 + number, 60, 4), np.uint8)
        Image.fromarray(pixels).save(workspace / f"mine/deeper/{number}.png")
    (workspace / "mine.txt").write_text("\n".join(f"caption {n}" for n in range(8)), "utf-8")
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
    (workspace / "mine.csv").write_text(table, "utf-8")
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("evalset", "mine.csv", SHIPPED[1], "data/evalset")


def test_large_own_pictures_are_scaled_down(workspace):
    Image.new("RGB", (3200, 100)).save(workspace / "large.png")
    assert collection.read_picture(workspace / "large.png").shape == (48, 1536, 3)


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
        path = os.fsdecode(b"mine/\xff\n%d.png" % number)
        Image.new("RGB", (40, 50 + number)).save(path, "png")
    small.run_stage("evalset", "mine", SHIPPED[1], "data/evalset")
    index, _, pictures = read(workspace / "data/evalset")
    assert index[0]["name"] == "\\xff\n0.png/\\xff\n0/0"
    assert {row["name"] for row in index} == pictures.keys()


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
    (workspace / "mine.csv").write_text("\n".join(["file,source,split", *rows]), "utf-8")
    content = small.params({})
    content |= {"models": {"any": {"source": "x"}}}
    content["grid"]["models"] = ["any"]
    content["floors"] = {"any": {}}
    content["evalset"] |= changes
    small.write_params(workspace, content)
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("evalset", "mine.csv", SHIPPED[1], "data/evalset")


def test_pictures_of_one_name_are_refused(workspace):
    table = "file,source,split\na.png,a,evaluation\na.jpg,a,evaluation\n"
    (workspace / "mine.csv").write_text(table, "utf-8")
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
