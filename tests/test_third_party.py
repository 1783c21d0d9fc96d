"""THIRD_PARTY.md: a notice for everything that others made."""

import csv
import inspect
import re
from pathlib import Path

import pytest
import skimage.data

from web import samples

TEXT = Path("THIRD_PARTY.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+\.(?:png|jpg))` \| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
GRANT = re.compile(r"CC0|public domain|copyright restrictions", re.IGNORECASE)


def test_every_photograph_has_a_notice_and_no_other():
    with open("stages/evalset/photographs.csv", newline="", encoding="utf-8") as file:
        named = [row["file"] for row in csv.DictReader(file)]
    assert sorted(named) == sorted(name for name, _, _ in ROWS)


@pytest.mark.parametrize(("file", "loader", "notice"), ROWS, ids=[row[0] for row in ROWS])
def test_the_notice_is_what_scikit_image_says(file, loader, notice):
    said = " ".join(inspect.getdoc(getattr(skimage.data, loader)).split())
    quoted = re.findall(r'"([^"]+)"', notice)
    if quoted:
        assert GRANT.search(quoted[0])
        assert quoted[0] in said
    else:
        assert notice.endswith("none stated")
        assert not GRANT.search(said)


def test_photographs_of_the_pages_may_be_passed_on():
    notices = {name: notice for name, _, notice in ROWS}
    for name in samples.PHOTOGRAPHS.values():
        assert re.search("CC0|public domain", notices[name])
        assert f"`{name}`" in TEXT.split("| photograph |")[0]


def test_clips_licence_is_whole():
    (licence,) = re.findall(r"^```\n(MIT License\n.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert "Copyright (c) 2021 OpenAI" in licence
    own = Path("LICENSE").read_text("utf-8")
    assert "clip-onnx contributors" in own
    assert licence.split("\n\n")[2:] == own.split("\n\n")[2:]  # the same terms
