"""The script that takes a picture of each page."""

import numpy as np
import pytest
from PIL import Image

from clip_onnx import command
from web import screenshots


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_pages_are_taken_as_wide_as_the_screen_in_light_and_dark(
    chromium, address, tmp_path, monkeypatch, scheme, is_dark
):
    monkeypatch.setattr(screenshots, "SCHEMES", (scheme,))
    monkeypatch.setattr(screenshots, "PAGES", {"text": screenshots.embedded})
    paths = list(screenshots.take(chromium, address, tmp_path))
    assert [path.name for path in paths] == [f"text.{scheme}.desk.png", f"text.{scheme}.phone.png"]
    for path, (width, height) in zip(paths, screenshots.SIZES.values(), strict=True):
        picture = Image.open(path)
        assert picture.width == width and picture.height >= height
        assert (np.asarray(picture.convert("L")).mean() < 128) == is_dark


def test_folder_that_is_no_site_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "out"), "--site", str(tmp_path)])
    with pytest.raises(command.Refusal, match="is no built site: make web"):
        screenshots.main()


def test_page_that_does_not_come_is_named(chromium, address, tmp_path, monkeypatch):
    monkeypatch.setattr(screenshots, "PAGES", {"elsewhere": screenshots.embedded})
    monkeypatch.setattr(screenshots, "WAIT", 500)
    with pytest.raises(command.Refusal, match="/elsewhere.html: "):
        next(screenshots.take(chromium, address, tmp_path))
