"""WebGPU, on an adapter in software: what was measured or remembered elsewhere is not its own."""

import shutil

import pytest
from pages import CARD, downloaded
from test_search_page import open_folder, wait_for_status

from runtimes import browser, onnxruntime_web

NOTE = "measured on the CPU, not on WebGPU"
INDEXED = "3 of 3 pictures indexed"


@pytest.fixture
def chromium(chromium):
    """A browser of its own, with the adapter; `visit` takes this one here."""
    flags = [*browser.FLAGS, *onnxruntime_web.SOFTWARE_ADAPTER]
    launched = chromium.browser_type.launch(executable_path=shutil.which("chromium"), args=flags)
    yield launched
    launched.close()


def test_parity_and_memory_are_those_of_the_runtime(visit, few):
    page = visit("search.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, INDEXED)
    page.get_by_label("Runs in").select_option("webgpu")
    assert "remembered" not in wait_for_status(page, INDEXED)
    assert page.text_content("#status").count(NOTE) == 2  # of pictures and of texts
    page.get_by_label("Runs in").select_option("wasm")
    assert "3 of them remembered" in wait_for_status(page, INDEXED)
    page.wait_for_function("document.querySelector('#status').textContent.includes('thread')")
    assert NOTE not in page.text_content("#status")

    page.get_by_label("Runs in").select_option("webgpu")
    page.get_by_role("link", name="Image").click()
    page.get_by_role("button", name="rocket").click()
    page.locator(CARD).wait_for()
    found = downloaded(page, page.locator(CARD))
    assert (found["runtime"], found["parity"]["note"]) == ("webgpu", NOTE)
