"""The search page in Chromium: a folder of 300 pictures, two that are none among them."""

import re

from pages import HELD, STATUS, open_folder, search, wait_for_status, wait_for_title
from PIL import Image
from playwright.sync_api import expect

CANCEL_AT_FIRST_PROGRESS = """() => {
    const [bar, cancel] = ["progress", "cancel"].map((id) => document.getElementById(id));
    if (cancel.hidden || cancel.disabled || !bar.value) return false;
    cancel.click();
    return true;
}"""


def test_folder_is_indexed_cancelled_resumed_searched_and_remembered(visit, pictures):
    page = visit("index.html", variant="int8w")
    open_folder(page, pictures)
    page.wait_for_function(CANCEL_AT_FIRST_PROGRESS)
    done, missing = map(
        int, re.match(r"(\d+) .*?(\d+) to go", wait_for_status(page, "to go")).groups()
    )
    assert 0 < done < 300
    expect(page.locator("#resume")).to_be_focused()
    assert search(page, "a red circle")  # what is indexed can be searched
    assert page.text_content("#results-title").endswith(f"the closest of {done}")

    page.get_by_role("button", name="Resume").click()
    final = wait_for_status(page, "300 of 301 pictures indexed")
    assert "1 could not be embedded, 1 other file ignored" in final
    page.locator("#failed summary").click()
    page.get_by_text("holiday/broken.png: this browser cannot read it as a picture").wait_for()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()

    assert all(
        "large red circle" in name for name in search(page, "a photo of a large red circle.")[:2]
    )
    expect(page.locator("#results li")).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#results li")).to_have_count(48)

    again = visit("index.html", variant="int8w")
    fetched = []
    again.on("request", lambda request: fetched.append(request.url))
    open_folder(again, pictures)
    assert "300 of them remembered" in wait_for_status(again, "300 of 301 pictures indexed")
    # Only for broken.png, which no visit can read, is nothing remembered.
    assert not [url for url in fetched if "vision_model" in url]


def test_pictures_are_found_by_a_picture(visit, pictures, tmp_path):
    part = pictures / "part0"
    page = visit("index.html", variant="fp32")
    open_folder(page, part)
    wait_for_status(page, "150 of 150 pictures indexed")
    query = next(part.glob("*large yellow square.png"))
    Image.open(query).save(tmp_path / "query.png")
    page.set_input_files("#example", tmp_path / "query.png")
    wait_for_title(page, "Like query.png")
    first = page.locator("#results li").first
    assert query.name in first.inner_text() and "cosine 1.000" in first.inner_text()
    page.locator("#results li").nth(1).get_by_role("button", name="Similar").click()
    wait_for_title(page, "Like part0/")
    assert "cosine 1.000" in page.locator("#results li").first.inner_text()


def test_another_model_indexes_anew(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    search(page, "a star")
    page.evaluate(HELD, "indexed")
    page.get_by_label("Variant").select_option("int4w")
    page.get_by_text("“a star”: no picture is indexed yet.").wait_for()
    assert page.text_content(STATUS).startswith("indexing: ")
    page.evaluate("flow()")
    assert "remembered" not in wait_for_status(page, "3 of 3 pictures indexed")


def test_empty_states_are_said(visit, tmp_path):
    page = visit("index.html")
    wait_for_status(page, "No folder is open.")
    (tmp_path / "notes.txt").write_text("no picture", "utf-8")
    open_folder(page, tmp_path)
    wait_for_status(page, "No pictures in this folder; other files: 1.")


def test_embeddings_can_be_forgotten(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    for answer, said in (
        ("false", "3 of 3 pictures"),
        ("true", "All embeddings are forgotten."),
    ):
        page.evaluate(f"asked = null; confirm = (text) => {{ asked = text; return {answer}; }}")
        page.get_by_role("button", name="Forget").click()
        page.wait_for_function("asked?.includes('the 3 embeddings of pictures')")
        expect(page.locator(STATUS)).to_contain_text(said)
    again = visit("index.html", variant="int8w")
    open_folder(again, few)
    assert "remembered" not in wait_for_status(again, "3 of 3 pictures indexed")
