"""Captions of the evaluation set: their two splits, and which count as the same."""

import re
from pathlib import Path

import pytest

from clip_onnx import command
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION
from stages.evalset import captions

import small

SHIPPED = small.EVALSET
# Words that carry no content, with the ends of contractions and the beginning of a camera's names.
COMMON = """about and around at below beside by d each from img in it ll of off on one only or out s
she that their they to until who with"""


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


def test_refuses_a_caption_of_both_splits(workspace):
    (workspace / "mine.txt").write_text("same\nother\n--- calibration ---\nsame\n", "utf-8")
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
    (workspace / "mine.txt").write_text(
        "One\none \nONE\n&nbsp;\nTwo\n--- calibration ---\nthree", "utf-8"
    )
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


def test_calibration_captions_share_no_content_word_with_evaluation():
    evaluation, calibration = Path(SHIPPED[1]).read_text("utf-8").split("--- calibration ---")
    words = [set(re.findall(r"[^\W\d_]+", text.lower())) for text in (evaluation, calibration)]
    assert min(map(len, words)) > 400
    assert words[0] & words[1] <= set(COMMON.split())
