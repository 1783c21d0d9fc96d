"""The site on other servers, with things missing, and by keyboard only."""

import json
import shutil
import time

import pytest
from pages import CARD, wait_for_status, wait_for_title
from playwright.sync_api import expect

from runtimes import browser


@pytest.fixture
def static(site):
    """The address of a server as plain as static hosting: a sub-path, no special headers."""
    with browser.serving({"/people/clip/": site}, isolated=False) as address:
        yield f"{address}/people/clip"


def recognise(page):
    page.get_by_role("button", name="large green square").click()
    card = page.locator(CARD)
    card.wait_for()
    return card.locator(".bars li").first.inner_text()


def test_static_hosting_under_a_sub_path_runs_in_one_thread(visit, static):
    page = visit(variant="int8w", base=static)
    assert recognise(page).startswith("large green square")
    assert not page.evaluate("crossOriginIsolated")
    status = page.text_content("#status")
    assert "1 thread" in status and "headers that threads need" in status


def test_isolated_server_gives_threads(visit):
    page = visit(variant="int8w")
    recognise(page)
    assert page.evaluate("crossOriginIsolated")
    cores = page.evaluate("navigator.hardwareConcurrency")
    assert f", {min(4, cores)} thread" in page.text_content("#status")


def test_models_may_lie_elsewhere(visit, site, static, tmp_path):
    shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("models"))
    shutil.copytree(site / "models", tmp_path / "site/files/v1")
    with browser.serving({"/": tmp_path / "site"}) as address:
        page = visit("image.html?models=files/v1", variant="int8w", base=address)
        assert recognise(page).startswith("large green square")
        page.get_by_role("link", name="Text", exact=True).click()
        page.wait_for_url("**/text.html?models=files/v1")
        (tmp_path / "site/config.json").write_text(json.dumps({"models": "files/v1"}), "utf-8")
        page = visit("text.html", variant="int8w", base=address)
        page.get_by_role("button", name="Embed").click()
        page.locator(".card").first.wait_for()


def test_no_models_at_the_address_says_what_to_do(visit):
    page = visit("index.html?models=nowhere")
    alert = page.locator("#error")
    alert.wait_for()
    assert "/nowhere/ (404)" in alert.inner_text() and "make web" in alert.inner_text()
    expect(page.locator("main")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"models": []}', "No model is built yet"), ("<html>", "is not the list of models")],
)
def test_index_without_models_says_what_to_do(visit, site, tmp_path, content, said):
    shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("models"))
    (tmp_path / "site/models").mkdir()
    (tmp_path / "site/models/index.json").write_text(content, "utf-8")
    with browser.serving({"/": tmp_path / "site"}) as address:
        page = visit(base=address)
        page.get_by_text(said).wait_for()


def test_browser_without_webassembly_is_told(visit, chromium, address):
    page = chromium.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(f"{address}/image.html")
    page.get_by_text("This browser has no WebAssembly.").wait_for()
    page.close()


def test_page_without_webgpu_says_so_and_goes_on_without(visit):
    page = visit(variant="int8w")
    page.wait_for_function("!document.querySelector('#runtime').disabled")
    page.evaluate("document.querySelector('#runtime option[value=webgpu]').disabled = false")
    page.get_by_label("Runs in").select_option("webgpu")
    page.locator("#error", has_text="This browser offers no WebGPU adapter").wait_for()
    page.get_by_label("Runs in").select_option("wasm")
    assert recognise(page).startswith("large green square")
    expect(page.locator("#error")).to_be_hidden()


def tab_to(page, description, matches):
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const it = document.activeElement; return {matches} }})()"):
            return
    raise AssertionError(f"Tab does not reach {description}")


def choose_by_key(page, description, matches, files):
    """Tab to a file input and choose some files there.

    Chromium opens a chooser only while a key press is fresh, and Playwright catches only one that
    opens after it began to listen: on a busy machine either may be missed, and a person would press
    the key again. That each press clicks the input is the page's part, and must hold.
    """
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # it wraps no built-in
    page.evaluate("window.clicks = 0; document.addEventListener('click', () => { clicks++ }, true)")
    for press in range(1, 7):
        tab_to(page, description, matches)
        page.keyboard.press("Space")
        page.wait_for_function("count => clicks === count", arg=press)
        deadline = time.monotonic() + 10
        while not choosers and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        if choosers:
            choosers[0].set_files(str(files))
            return
    focused = page.evaluate("document.activeElement.outerHTML")
    raise AssertionError(f"Space opens no chooser of {description}; the focus is on {focused}")


def test_pages_work_by_keyboard_alone(visit, photograph, pictures):
    page = visit(variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    tab_to(page, "the model", "it.id === 'model'")
    choose_by_key(page, "the file input", "it.id === 'pictures'", photograph)
    page.locator(CARD).wait_for()
    tab_to(page, "the download", "it.textContent.startsWith('Download')")
    with page.expect_download():
        page.keyboard.press("Enter")

    page = visit("text.html", variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    tab_to(page, "the texts", "it.id === 'texts'")
    page.keyboard.press("Control+A")
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelectorAll('.card').length === 2")

    page = visit("index.html", variant="int8w")
    page.wait_for_function("!document.querySelector('#model').disabled")
    tab_to(page, "the way past the drawings", "it.textContent === 'Skip to your own folder'")
    page.keyboard.press("Enter")
    choose_by_key(page, "the folder", "it.id === 'folder'", pictures / "part0")
    wait_for_status(page, "150 of 150 pictures indexed")
    tab_to(page, "the query", "it.id === 'query'")
    page.keyboard.type("a small red circle")
    page.keyboard.press("Enter")
    wait_for_title(page, "“a small red circle”")
    tab_to(page, "a result", "it.textContent === 'Similar'")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('#results-title').textContent.startsWith('Like')"
    )
