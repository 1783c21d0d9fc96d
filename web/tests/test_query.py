"""What one types on the front page: texts that add up, words taken away, and the page's address."""

import json

import numpy as np
import pytest
from pages import BUNDLES, MODEL, open_folder, search, wait_for_status, wait_for_title
from playwright.sync_api import expect

from clip_onnx import Clip

FIRST = "“a large red circle”"


def names(page):
    return page.locator("#results li > span:not(.times)").all_inner_texts()


@pytest.mark.parametrize(
    ("typed", "more", "less"),
    [
        ("a star", ["a star"], []),
        ("a star + a circle", ["a star", "a circle"], []),
        ("a star -blue", ["a star"], ["blue"]),
        ('a star -"light blue" + "a ring"', ["a star", "a ring"], ["light blue"]),
        ("a black-and-white photo, 3+4", ["a black-and-white photo, 3+4"], []),
        ("a - b", ["a - b"], []),
        ("-blue", [], ["blue"]),
        ("  + ", [], []),
    ],
)
def test_typed_text_is_split_into_what_is_added_and_taken_away(visit, typed, more, less):
    found = visit("text.html").evaluate(
        """async (typed) => {
            const { parse } = await import(new URL("js/query.js", document.baseURI));
            return parse(typed);
        }""",
        typed,
    )
    assert found == {"more": more, "less": less}


def test_order_is_that_of_the_summed_vectors(visit, site):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    found = search(page, "a large star + a large ring -blue")
    gallery = json.loads((site / "gallery/index.json").read_text("utf-8"))
    count = len(gallery["pictures"])
    content = np.frombuffer((site / f"gallery/{MODEL}.f32").read_bytes(), "<f4")
    pictures = content.reshape(count + len(gallery["queries"]), -1)[:count]
    star, ring, blue = Clip(BUNDLES / MODEL, encoding="int8w").encode_text(
        ["a large star", "a large ring", "blue"]
    )
    order = np.argsort(-(pictures @ (star + ring - blue)))[: len(found)]
    assert found[:10] == [gallery["pictures"][place]["label"] for place in order[:10]]


def test_only_words_to_take_away_are_told_what_is_missing(visit):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    page.get_by_label("A text").fill("-blue")
    page.get_by_text("Say what to look for, too").wait_for()


def test_text_adds_to_a_picture_until_that_is_taken_out(visit, few):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    page.set_input_files("#example", few / "0.png")
    wait_for_title(page, "Like 0.png: ")
    expect(page.get_by_label("A text")).to_have_value("")
    page.get_by_label("A text").fill("a heart")
    wait_for_title(page, "Like 0.png and “a heart”")
    page.get_by_role("button", name="Without it").click()
    wait_for_title(page, "“a heart”")


def test_address_has_query_model_and_variant_and_back_works(visit):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    search(page, "a white ring & more")
    page.wait_for_url("**/index.html?q=a%20white%20ring%20%26%20more&model=tiny-vit&variant=int8w")
    steps = page.evaluate("history.length")
    field = page.get_by_label("A text")
    for text in ("a", "a yellow", "a yellow heart"):  # one step, however slowly one types
        field.fill(text)
        wait_for_title(page, f"“{text}”")
    field.press("Enter")
    assert page.evaluate("history.length") == steps + 1
    page.go_back()
    wait_for_title(page, "“a white ring & more”")
    page.get_by_label("Variant").select_option("int6w")
    page.wait_for_url("**&model=tiny-vit&variant=int6w")
    page.go_back()
    page.wait_for_function("document.querySelector('#variant').value === 'int8w'")
    expect(page.get_by_label("A text")).to_have_value("a white ring & more")
    page.go_back()
    wait_for_title(page, FIRST)
    expect(page.get_by_label("A text")).to_have_value("a large red circle")
    other = visit("index.html?q=a%20small%20black%20star&model=tiny-rn&variant=fp16w")
    wait_for_title(other, "“a small black star”")
    assert names(other)[0] == "small black star"
    expect(other.locator("#model")).to_have_value("tiny-rn")
    expect(other.get_by_label("Variant")).to_have_value("fp16w")


def test_jump_within_the_page_asks_nothing_anew(visit, few):
    page = visit("index.html", variant="int8w")
    page.set_input_files("#example", few / "0.png")
    wait_for_title(page, "Like 0.png: ")
    page.get_by_text("Skip to your own folder").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#folder-title")
    assert page.text_content("#results-title").startswith("Like 0.png: ")


def test_address_that_names_no_model_of_ours_takes_what_there_is(visit):
    page = visit("index.html?model=elsewhere&variant=int99&q=a%20star")
    wait_for_title(page, "“a star”")
    expect(page.locator("#model")).to_have_value(MODEL)


def test_links_to_other_pages_keep_the_models_but_not_the_query(visit):
    page = visit("index.html?models=models/&q=a%20star", variant="int8w")
    wait_for_title(page, "“a star”")
    page.get_by_role("link", name="Text", exact=True).click()
    page.wait_for_url("**/text.html?models=models/")


def test_query_stays_in_view_and_keeps_the_focus(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    page.get_by_role("button", name="Back to the drawings").click()
    field = page.get_by_label("A text")
    field.fill("a star")
    field.press("Enter")
    wait_for_title(page, "“a star”: the closest of 300")
    expect(page.locator("#query")).to_be_focused()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    top = page.evaluate("document.querySelector('#query').getBoundingClientRect().top")
    assert 0 <= top < 100
