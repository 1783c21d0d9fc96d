"""Pictures that are pasted or dropped, on every page."""

import base64

import pytest
from pages import CARD, wait_for_status, wait_for_title
from playwright.sync_api import expect

GIVE = """async ([type, contents]) => {
    const transfer = new DataTransfer();
    for (const [name, content] of contents) {
        const blob = await (await fetch(`data:;base64,${content}`)).blob();
        transfer.items.add(new File([blob], name, { type: "image/png" }));
    }
    const options = { bubbles: true, cancelable: true };
    const event = type === "paste"
        ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
        : new DragEvent(type, { ...options, dataTransfer: transfer });
    return !document.activeElement.dispatchEvent(event);
}"""


def give(page, kind, *paths):
    """Paste or drop files: whether the page took them, and the browser leaves them alone."""
    contents = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    return page.evaluate(GIVE, [kind, contents])


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_picture_is_looked_for(visit, few, kind):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, "“a large red circle”")
    assert give(page, "dragover", few / "0.png")
    expect(page.locator("body.over")).to_have_count(1)
    assert give(page, kind, few / "0.png")
    wait_for_title(page, "Like 0.png: the closest of 300")


def test_several_pictures_are_searched(visit, few):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, "“a large red circle”")
    assert give(page, "drop", *(few / f"{number}.png" for number in range(3)))
    wait_for_status(page, "3 of 3 pictures indexed")
    wait_for_title(page, "“a large red circle”: the closest of 3")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_picture_gets_a_card(visit, few, kind):
    page = visit("image.html", variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    assert give(page, kind, few / "1.png")
    page.locator(CARD, has_text="1.png").wait_for()


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_picture_is_compared_with_the_texts(visit, few, tmp_path, kind):
    page = visit("text.html", variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    page.get_by_label("Texts, one a line").fill("a small red circle")
    assert give(page, kind, few / "0.png")
    page.get_by_role("rowheader", name="2 0.png").wait_for()
    expect(page.locator("td[style]")).to_have_count(4)
    page.get_by_role("button", name="Without the pictures").click()
    page.locator("table").wait_for(state="detached")
    (tmp_path / "no.png").write_text("no picture", "utf-8")
    assert give(page, kind, tmp_path / "no.png")
    page.get_by_text("no.png: this browser cannot read it as a picture").wait_for()


def test_pasted_text_stays_text(visit):
    page = visit("text.html", variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    assert not page.evaluate(GIVE, ["paste", []])
