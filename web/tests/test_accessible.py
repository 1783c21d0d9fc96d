"""Every page in its states: axe finds nothing, nothing scrolls sideways, the console is silent."""

import pytest
from pages import CARD, open_folder, wait_for_status, wait_for_title

from web import build

AXE = build.MODULES / "axe-core/axe.min.js"
SCHEMES = ("light", "dark")
BY_PLAYWRIGHT = "registration blocked by Playwright"  # which keeps service workers out
SIZES = ((1280, 800), (320, 640))


def found_by_axe(page):
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]


def check(page):
    """In light and dark, on a desk and on a small phone."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert found_by_axe(page) == [], f"{scheme}, {width} pixels"
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wider) == 0, f"{width} pixels"


@pytest.fixture
def quiet(visit):
    """visit, whose pages say nothing in the console."""
    if not AXE.is_file():
        pytest.skip("npm ci --ignore-scripts --prefix web")
    said = []

    def open_page(*arguments, **keywords):
        page = visit(*arguments, **keywords)
        page.on("console", lambda message: said.append(message))
        return page

    yield open_page
    wrong = [message.text for message in said if message.type in ("error", "warning")]
    assert [text for text in wrong if not text.endswith(BY_PLAYWRIGHT)] == []


def test_front_page(quiet, few):
    page = quiet("index.html", variant="int8w")
    wait_for_title(page, "“a large red circle”")
    check(page)
    (few / "broken.png").write_text("no picture", "utf-8")
    open_folder(page, few)
    wait_for_status(page, "3 of 4 pictures indexed")
    check(page)
    page.set_input_files("#example", few / "0.png")
    wait_for_title(page, "Like 0.png")
    page.get_by_label("Select few/0.png").check()
    check(page)
    page.get_by_role("button", name="Open few/0.png").click()
    page.wait_for_function("document.querySelector('#full').naturalWidth")
    check(page)


def test_image_page(quiet, few):
    page = quiet("image.html", variant="int8w")
    page.set_input_files("#pictures", few / "0.png")
    page.locator(CARD).wait_for()
    check(page)


def test_text_page(quiet):
    page = quiet("text.html", variant="int8w")
    page.get_by_role("button", name="Embed").click()
    page.locator(".card").first.wait_for()
    check(page)


def test_report(quiet):
    check(quiet("report.html"))
