"""Results one can act on: cut, order, selection, full size, and taking them along."""

import csv
import io
import json
import os
import zipfile

import numpy as np
import pytest
from pages import open_folder, search, wait_for_status, wait_for_title
from PIL import Image
from playwright.sync_api import expect

from stages.evalset import drawings

FIRST = "“a large red circle”"
WITHOUT_FOLDERS = "delete globalThis.showDirectoryPicker"
INTO_ORIGIN = """
    globalThis.showDirectoryPicker = async () => {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle("found", { create: true });
        await folder.getFileHandle("a.png", { create: true }); // one that is there already
        return folder;
    };
"""
COPIED = """async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("found");
    const found = {};
    for await (const [name, handle] of folder.entries()) {
        found[name] = (await handle.getFile()).size;
    }
    return found;
}"""


@pytest.fixture
def folder(tmp_path):
    """Two large red circles in two folders under one name, a blue star, all of other dates."""
    rng = np.random.default_rng(5)
    named = {str(label): label for label in drawings.LABELS}
    listed = {
        "one/a.png": "large red circle",
        "two/a.png": "large red circle",
        "B 10.png": "large green square",
        "B 9.png": "large yellow cross",
        "c.png": "small blue star",
    }
    for place, (name, label) in enumerate(listed.items()):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawings.draw(rng, named[label], 200)).save(path)
        os.utime(path, (1e9 + place, 1e9 + place))
    return tmp_path / "pictures"


@pytest.fixture
def found(visit, folder):
    """The front page with that folder, asked for a large red circle."""

    def opened(script=""):
        page = visit("index.html", variant="int8w")
        page.add_init_script(script)
        page.reload()
        wait_for_title(page, FIRST)
        open_folder(page, folder)
        wait_for_status(page, "5 of 5 pictures indexed")
        wait_for_title(page, f"{FIRST}: the closest of 5")
        return page

    return opened


def names(page):
    return page.locator("#results li > span:not(.times)").all_inner_texts()


def test_gap_is_suggested_and_the_slider_cuts(found):
    page = found()
    page.get_by_role("button", name="Only the 2 above the gap").click()
    wait_for_title(page, f"{FIRST}: the closest 2 of 5")
    assert sorted(names(page)) == ["pictures/one/a.png", "pictures/two/a.png"]
    expect(page.locator("#histogram i")).to_have_count(1)
    slider = page.get_by_label("How close")
    assert "2 of 5" in slider.get_attribute("aria-valuetext")
    slider.press("Home")
    wait_for_title(page, f"{FIRST}: the closest of 5")
    slider.press("End")
    wait_for_title(page, f"{FIRST}: the closest 1 of 5")
    search(page, "a small blue star")  # another query begins without a cut
    assert len(names(page)) == 5


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ([0.917, 0.91, 0.622, 0.6, 0.59], {"above": 0.91, "below": 0.622, "count": 2}),
        ([0.5, 0.4, 0.3], None),
        ([0.3, 0.29, 0.28, 0.27, -0.9], {"above": 0.3, "below": 0.29, "count": 1}),
    ],
)
def test_gap_is_the_widest_of_the_upper_half(visit, cosines, expected):
    gap = visit("text.html").evaluate(
        """async (sorted) => (await import(new URL("js/cut.js", document.baseURI))).gap(sorted)""",
        cosines,
    )
    assert gap == (expected and pytest.approx(expected))


def test_order_by_date_and_by_name(found):
    page = found()
    page.get_by_label("Sort by").select_option("date")
    assert names(page)[0] == "pictures/c.png"
    assert names(page)[-1] == "pictures/one/a.png"
    page.get_by_label("Sort by").select_option("name")
    assert names(page)[:2] == ["pictures/B 9.png", "pictures/B 10.png"]
    page.get_by_role("button", name="Back to the drawings").click()
    page.get_by_text("the closest of 300").wait_for()  # which have no date
    expect(page.locator("#sort option[value=date]")).to_be_disabled()


def test_full_size_by_a_click_and_on_by_the_arrow_keys(found):
    page = found()
    order = names(page)
    page.get_by_role("button", name=f"Open {order[0]}").click()
    box = page.get_by_role("dialog")
    box.get_by_text(f"{order[0]} · cosine").wait_for()
    page.wait_for_function("document.querySelector('#full').naturalWidth === 200")
    page.keyboard.press("ArrowLeft")  # there is none before it
    page.keyboard.press("ArrowRight")
    box.get_by_text(f"{order[1]} · cosine").wait_for()
    box.get_by_role("button", name="Select").click()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    box.get_by_text("5 of 5").wait_for()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")  # the last one has not lost the focus
    box.get_by_text(f"{order[1]} · cosine").wait_for()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page.get_by_role("button", name=f"Open {order[1]}")).to_be_focused()
    expect(page.get_by_label(f"Select {order[1]}")).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_selection_holds_what_a_cut_hides(found):
    page = found(WITHOUT_FOLDERS)
    page.get_by_label("Select pictures/c.png").check()
    page.get_by_role("button", name="Only the 2 above the gap").click()
    page.get_by_text("1 selected").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as ZIP").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.namelist() == ["c.png"]
    page.get_by_role("button", name="Select none").click()
    page.get_by_text("none selected: all 2 are taken").wait_for()
    page.get_by_role("button", name="Select all").click()
    page.get_by_text("2 selected").wait_for()


def test_selection_is_copied_into_a_folder_and_writes_over_nothing(found):
    page = found(INTO_ORIGIN)
    for name in ("pictures/one/a.png", "pictures/two/a.png"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Copy to folder…").click()
    page.get_by_text("2 pictures copied to found.").wait_for()
    copied = page.evaluate(COPIED)
    assert sorted(copied) == ["a (2).png", "a (3).png", "a.png"]
    assert copied["a.png"] == 0 and copied["a (2).png"] > 0


def test_browser_that_writes_no_folders_gives_a_zip(found, folder):
    page = found(WITHOUT_FOLDERS)
    page.get_by_role("button", name="Only the 2 above the gap").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as ZIP").click()
    page.get_by_text("2 pictures in pictures.zip.").wait_for()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert sorted(archive.namelist()) == ["a (2).png", "a.png"]
        contents = {archive.read(name) for name in archive.namelist()}
    assert contents == {path.read_bytes() for path in folder.glob("*/a.png")}


def test_drawings_can_be_taken_along_too(visit):
    page = visit("index.html", variant="int8w")
    page.add_init_script(WITHOUT_FOLDERS)
    page.reload()
    wait_for_title(page, FIRST)
    page.get_by_role("button", name="Only the 2 above the gap").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as ZIP").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.namelist() == ["large red circle.webp", "large red circle (2).webp"]


def test_csv_and_json_have_what_is_shown(found, folder):
    (folder / "c.png").rename(folder / 'c, "d".png')
    page = found()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    text = waiting.value.path().read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == names(page)
    assert 'pictures/c, "d".png' in [row["path"] for row in rows]
    assert rows[0]["modified"].startswith("2001-09-09T")
    page.get_by_label(f"Select {names(page)[1]}").check()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON").click()
    content = json.loads(waiting.value.path().read_text("utf-8"))
    assert (content["query"], content["variant"]) == (FIRST, "int8w")
    assert len(content["sha256"]) == 64
    (one,) = content["results"]
    assert one["path"] == names(page)[1]
    assert float(rows[1]["cosine"]) == pytest.approx(one["cosine"], abs=1e-6)


def test_refused_folder_is_said(found):
    refused = "globalThis.showDirectoryPicker = async () => { throw new Error('not allowed'); };"
    page = found(refused)
    page.get_by_role("button", name="Copy to folder…").click()
    page.get_by_text("The folder cannot be written to: not allowed").wait_for()


def test_what_is_nearly_the_same_is_folded(found, folder):
    page = found()
    for number in range(3):
        picture = Image.open(folder / "c.png").resize((180 + number, 180 + number))
        picture.save(folder / f"c {number}.jpg")
    page.set_input_files("#folder", folder)
    wait_for_status(page, "8 of 8 pictures indexed")
    expect(page.locator("#results li")).to_have_count(8)
    page.get_by_label("Fold what is nearly the same").check()
    more = page.get_by_role("button", name="+ 3 nearly the same")
    expect(more).to_have_count(1)
    kept = page.locator("#results li").count()
    assert kept <= 5
    more.click()
    expect(page.locator("#results li")).to_have_count(kept + 3)
    expect(more).to_be_hidden()
    page.get_by_role("button", name="Select all").click()  # what is folded is above the cut, too
    expect(page.locator("#selected")).to_have_text("8 selected")
    page.get_by_label("Fold what is nearly the same").uncheck()
    expect(page.locator("#results li")).to_have_count(8)
