import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from clip_onnx import command, openai
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION, LABELLED
from stages.evalset import collection

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
    content["evalset"] |= {"crops": 6, "drawn": 512}
    small.write_params(workspace, content)
    small.run_stage("evalset", *SHIPPED, "data/evalset")
    return read(workspace / "data/evalset")


def read(folder):
    index = json.loads((folder / "pictures.json").read_text())
    captions = json.loads((folder / "captions.json").read_text())
    return index, captions, load_file(folder / "pictures.safetensors")


def of(index, split):
    return [row for row in index if row["split"] == split]


def test_shipped_set_is_large_and_its_splits_share_no_source(full):
    index, captions, pictures = full
    evaluation, calibration = of(index, EVALUATION), of(index, CALIBRATION)
    sources = {row["source"] for row in evaluation}
    assert len(sources) >= 10
    assert len(evaluation) >= 64
    assert not sources & {row["source"] for row in calibration}
    assert {"motorcycle/motorcycle_left/0", "motorcycle/motorcycle_right/0"} <= set(pictures)
    shapes = [pictures[row["name"]].shape for row in evaluation]
    assert sum(height != width for height, width, _ in shapes) >= 10
    assert len(captions[EVALUATION]) == len(set(captions[EVALUATION])) >= 256
    assert not set(captions[EVALUATION]) & set(captions[CALIBRATION])
    labels = [row["label"] for row in of(index, LABELLED)]
    assert sorted(labels) == sorted(list(range(128)) * 4)


def test_one_shipped_caption_needs_truncation(full):
    _, captions, _ = full
    rows = openai.tokenize(captions[EVALUATION], truncate=True)
    assert (rows[:, -1] == 49407).any()
    with pytest.raises(RuntimeError, match="too long"):
        openai.tokenize(captions[EVALUATION])


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
    index, captions, pictures = read(workspace / "data/evalset")
    own = [row for row in index if row["label"] is None]
    assert sum(row["split"] == CALIBRATION for row in own) == 2 * 2  # itself and one crop, twice
    assert pictures["deeper/3.png/3/0"].shape == (43, 60, 3)
    assert captions[CALIBRATION] == ["caption 3", "caption 7"]


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_refuses_an_empty_folder_and_a_broken_picture(workspace, content):
    (workspace / "mine").mkdir()
    if content:
        for number in range(4):
            (workspace / f"mine/{number}.jpg").write_bytes(content)
    with pytest.raises(command.Refusal, match=r"0 pictures|0\.jpg cannot be decoded"):
        small.run_stage("evalset", "mine", SHIPPED[1], "data/evalset")
    assert not list((workspace).glob("data/*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo\n", "no calibration captions"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "no evaluation"),
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


def test_large_own_pictures_are_scaled_down(workspace):
    Image.new("RGB", (3200, 100)).save(workspace / "large.png")
    assert collection.read_picture(workspace / "large.png").shape == (48, 1536, 3)


def test_calibration_captions_share_no_content_word_with_evaluation():
    evaluation, calibration = Path(SHIPPED[1]).read_text().split("--- calibration ---")
    words = [set(re.findall(r"[^\W\d_]+", text.lower())) for text in (evaluation, calibration)]
    assert min(map(len, words)) > 400
    assert words[0] & words[1] <= set(COMMON.split())
