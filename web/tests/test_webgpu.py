"""WebGPU, on an adapter in software: what was measured or remembered elsewhere is not its own, and
what it computes wrongly is not offered."""

import json
import shutil

import pytest
from pages import CARD, downloaded, open_folder, wait_for_status
from playwright.sync_api import expect

from runtimes import browser, onnxruntime_web

HERE = "· WebGPU"
INDEXED = "3 of 3 pictures indexed"


@pytest.fixture
def chromium(chromium):
    """A browser of its own, with the adapter; `visit` takes this one here."""
    flags = [*browser.FLAGS, *onnxruntime_web.SOFTWARE_ADAPTER]
    launched = chromium.browser_type.launch(executable_path=shutil.which("chromium"), args=flags)
    yield launched
    launched.close()


def test_parity_and_memory_are_those_of_the_runtime(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, INDEXED)
    page.get_by_label("Runs in").select_option("webgpu")
    assert "remembered" not in wait_for_status(page, INDEXED)
    assert page.text_content("#badges").count(HERE) == 2  # of pictures and of texts
    page.get_by_label("Runs in").select_option("wasm")
    assert "3 of them remembered" in wait_for_status(page, INDEXED)
    page.wait_for_function("document.querySelector('#status').textContent.includes('thread')")
    assert HERE not in page.text_content("#badges")

    page.get_by_label("Runs in").select_option("webgpu")
    page.get_by_role("link", name="Image", exact=True).click()
    page.get_by_role("button", name="small blue star").click()
    page.locator(CARD).wait_for()
    found = downloaded(page, page.locator(CARD))
    assert (found["runtime"], found["parity"]["measured_in"]) == ("webgpu", "WebGPU")


def test_file_that_webgpu_computes_wrongly_is_not_offered_there(visit):
    page = visit(variant="int8w")
    page.get_by_label("Runs in").select_option("webgpu")
    page.locator("#model").select_option("tiny-rn")
    page.locator("#withheld", has_text="WebGPU is not offered for tiny-rn").wait_for()
    assert "vision_model_quantized.onnx: cosine to PyTorch 0.6" in page.text_content("#withheld")
    runtime = page.get_by_label("Runs in")
    expect(runtime).to_have_value("wasm")
    expect(runtime.locator("option[value=webgpu]")).to_be_disabled()
    page.get_by_role("button", name="large red circle").click()
    page.locator(CARD).wait_for()
    assert downloaded(page, page.locator(CARD))["runtime"] == "wasm"
    page.locator("#model").select_option("tiny-vit")
    expect(page.locator("#withheld")).to_be_hidden()
    expect(runtime.locator("option[value=webgpu]")).to_be_enabled()


def test_model_that_no_runtime_computes_rightly_is_not_offered(visit, site):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    for file in listed["models"][0]["files"]:
        if file["graph"] == "visual":
            file["withheld"] = {"wasm": "cosine 0.5", "webgpu": "cosine 0.5"}
        if file["graph"] == "image":
            file["withheld"] = {"wasm": "cosine 0.5"}
    page = visit(variant="int8w")
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url)
    page.wait_for_function("!document.querySelector('#model').disabled")
    expect(page.locator("#model")).to_have_value(listed["models"][1]["name"])
    expect(page.locator("#model option").first).to_be_disabled()
