"""Files that come once for all pages, are checked each time, and serve without a network."""

import json
import re
import shutil

import pytest
from pages import CARD, MODEL, open_folder, search, wait_for_status, wait_for_title
from playwright.sync_api import expect

from runtimes import browser
from web import build, shell

TOWER = "vision_model_quantized.onnx"
VERIFIED = ".badge.checked"
KEPT = "async () => (await (await caches.open('clip-onnx.files')).keys()).map(({ url }) => url)"
INSTALLED = "navigator.serviceWorker.ready.then(() => true)"


ONLY_THE_NEW = """async () => {
    const builds = (await caches.keys()).filter((name) => name.startsWith("clip-onnx.pages"));
    const found = await (await caches.open(builds[0])).match("text.html");
    return builds.length === 1 && (await found.text()).includes("now does");
}"""


def until(page, script):
    """Wait until an asynchronous function of the page gives true."""
    while not page.evaluate(script):
        page.wait_for_timeout(100)


def fulfil_beginning(route, line):
    """Answer with the file as the server has it, after one line more."""
    found = route.fetch()
    route.fulfill(response=found, body=line + found.text())


def files_asked_for(page):
    """Names of what the page fetches from now on, as a list that grows."""
    asked = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    return asked


def recognise(page):
    page.get_by_role("button", name="large green square").click()
    page.locator(CARD).first.wait_for()
    return page.locator(CARD).first.locator(".bars li").first.inner_text()


def test_pages_share_what_was_fetched_once(visit):
    page = visit("index.html", variant="int8w")
    asked = files_asked_for(page)
    page.locator(VERIFIED, has_text="texts").wait_for()
    search(page, "a star")
    assert sum(name.endswith(".wasm") for name in asked) == asked.count("tokenizer.json") == 1
    page = visit("image.html", variant="int8w")
    asked = files_asked_for(page)
    assert recognise(page).startswith("large green square")
    names = [name for name in asked if name.endswith((".wasm", ".onnx")) or "tokenizer.j" in name]
    assert sorted(set(names) - {"tokenizer.js"}) == ["preprocess.onnx", TOWER]


def test_two_pages_at_once_fetch_a_file_once(visit):
    pages = [visit("text.html", variant="int8w") for _ in range(2)]
    lists = [files_asked_for(page) for page in pages]
    for page in pages:
        page.wait_for_function("!document.querySelector('#model').disabled")
    for page in pages:
        page.evaluate("document.querySelector('#form').requestSubmit()")
    for page in pages:
        page.locator(".card").first.wait_for()
    asked = sum(lists, [])
    assert asked.count("tokenizer.json") == asked.count("text_model_quantized.onnx") == 1


def test_what_was_kept_is_checked_again(visit):
    page = visit("image.html", variant="int8w")
    recognise(page)
    addresses = page.evaluate(KEPT)
    assert all("/kept/" in address for address in addresses) and len(addresses) >= 4
    page.evaluate("""async () => {
        const cache = await caches.open("clip-onnx.files");
        for (const key of await cache.keys()) await cache.put(key, new Response("another"));
    }""")
    page.reload()
    asked = files_asked_for(page)
    assert recognise(page).startswith("large green square")
    assert TOWER in asked


def test_what_earlier_builds_left_is_dropped(visit):
    page = visit("text.html")
    page.wait_for_function("!document.querySelector('#model').disabled")
    page.evaluate("""async () => {
        const cache = await caches.open("clip-onnx.files");
        const base = new URL("kept/", document.baseURI);
        await cache.put(new URL("0".repeat(64), base), new Response("old"));
        await cache.put(new URL("/elsewhere/kept/1", base), new Response("not ours"));
    }""")
    page.reload()
    until(page, f"async () => (await ({KEPT})()).every((url) => !url.includes('0000'))")
    assert any("/elsewhere/" in address for address in page.evaluate(KEPT))


def test_browser_that_keeps_nothing_says_so_and_works(visit):
    page = visit("image.html", variant="int8w")
    page.add_init_script("CacheStorage.prototype.open = () => Promise.reject(new Error('full'))")
    page.context.route(
        "**/js/worker.js",
        lambda route: fulfil_beginning(
            route, "self.caches.open = () => Promise.reject(new Error('full'));"
        ),
    )
    page.reload()
    assert recognise(page).startswith("large green square")
    page.get_by_text("This browser has no room to keep the files").wait_for()


@pytest.mark.parametrize("name", ["ort-wasm-simd-threaded.wasm", "tokenizer.json"])
def test_failure_can_be_retried_without_a_reload(visit, name):
    page = visit("text.html", variant="int8w")
    page.context.route(f"**/{name}", lambda route: route.abort())
    page.get_by_role("button", name="Embed").click()
    page.locator("#error", has_text=f"{name} could not be loaded (no connection).").wait_for()
    page.locator("#loading").wait_for(state="hidden")  # other files may still come
    page.context.unroute(f"**/{name}")
    page.get_by_role("button", name="Try again").click()
    page.locator(".card").first.wait_for()
    expect(page.locator("#error")).to_be_hidden()


def test_webassembly_of_another_digest_is_refused(visit):
    page = visit("text.html", variant="int8w")
    page.context.route("**/*.wasm", lambda route: route.fulfill(body=b"\0asm"))
    page.get_by_role("button", name="Embed").click()
    page.locator("#error", has_text="ort-wasm-simd-threaded.wasm is not the file").wait_for()


def test_one_bar_shows_all_bytes_and_the_speed(visit):
    page = visit("text.html", variant="int8w")
    held = []
    page.context.route("**/tokenizer.json", lambda route: held.append(route))
    page.get_by_role("button", name="Embed").click()
    page.locator("#loading").wait_for()
    page.wait_for_function("document.querySelector('#loading progress').value > 0.7")
    words = page.text_content("#loading span")
    assert "of 21.2 MB, " in words and words.endswith("MB a second")
    held[0].continue_()
    page.locator(".card").first.wait_for()
    expect(page.locator("#loading")).to_be_hidden()


def test_badges_say_what_was_verified_and_lead_to_the_figures(visit, site):
    page = visit("image.html", variant="int8w")
    picture = page.locator(".badge").first
    picture.wait_for()
    assert picture.inner_text().startswith("not loaded yet · worst of ")
    recognise(page)
    figures = json.loads((site / "models/index.json").read_text("utf-8"))["models"][0]["files"]
    (tower,) = [f for f in figures if (f["graph"], f["variant"]) == ("visual", "int8w")]
    measured = tower["runtimes"]["wasm"]
    assert picture.inner_text() == (
        f"file verified · worst of {measured['inputs']} pictures"
        f" {measured['cosine']:.7f} · WebAssembly"
    )
    picture.click()
    page.wait_for_url(f"**/report.html#{MODEL}.visual.int8w")
    assert page.locator(":target").inner_text().startswith("vision_model_quantized.onnx")


@pytest.fixture
def context(chromium):
    """One with service workers."""
    with chromium.new_context() as opened:
        opened.set_default_timeout(60_000)
        yield opened


def test_second_visit_needs_no_network(context, site, few):
    page = context.new_page()
    with browser.serving({"/people/clip/": site}, isolated=False) as address:
        page.goto(f"{address}/people/clip/")
        page.locator(VERIFIED, has_text="texts").wait_for()
        page.goto(f"{address}/people/clip/image.html")
        recognise(page)
        assert page.evaluate(INSTALLED)
        port = int(address.rsplit(":", 1)[1])
    page.goto(f"http://127.0.0.1:{port}/people/clip/")
    wait_for_title(page, "“a large red circle”")
    page.wait_for_function("document.querySelector('#results img').naturalWidth")
    assert search(page, "a small black ring")[0].endswith("black ring")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    page.get_by_role("link", name="Image").click()
    assert recognise(page).startswith("large green square")
    page.get_by_role("link", name="Text", exact=True).click()
    page.get_by_role("button", name="Embed").click()
    page.locator(".card").first.wait_for()
    page.get_by_role("link", name="Report").click()
    page.get_by_role("heading", name="What was measured of each file").wait_for()
    page.goto(f"http://127.0.0.1:{port}/people/clip/text.html")
    page.get_by_label("Variant").select_option("int6w")
    page.get_by_role("button", name="Embed").click()
    page.locator("#error", has_text="text_model_int6w.onnx could not be loaded").wait_for()


def test_new_build_is_what_the_next_visit_shows(context, site, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    page = context.new_page()
    with browser.serving({"/": folder}) as address:
        page.goto(f"{address}/text.html")
        page.evaluate(INSTALLED)
        text = (folder / "text.html").read_text("utf-8")
        (folder / "text.html").write_text(text.replace("What does", "What now does"), "utf-8")
        shutil.copyfile(build.HERE / "site/sw.js", folder / "sw.js")
        shell.name_files(folder)
        page.reload()
        page.get_by_role("heading", name="What now does").wait_for()
        until(page, ONLY_THE_NEW)
    page.goto(f"{address}/text.html")
    page.get_by_role("heading", name="What now does").wait_for()


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize("width", [390, 700, 1280])
def test_nothing_moves_while_files_come(visit, site, few, width, isolated):
    """Whoever is about to press a button below the header still finds it there."""
    with browser.serving({"/": site}, isolated) as base:
        assert len(heights(visit("index.html", variant="int8w", base=base), few, width)) == 1


def heights(page, few, width):
    """Those that the header has from the list of models to the files of a first picture."""
    page.set_viewport_size({"width": width, "height": 800})
    held = []
    page.context.route(re.compile(r"\.(wasm|onnx)$"), lambda route: held.append(route))
    page.reload()
    page.wait_for_function("!document.querySelector('main').inert")
    page.evaluate("""() => {
        globalThis.heights = new Set();
        const header = document.querySelector("header");
        const see = () => heights.add(header.offsetHeight);
        new ResizeObserver(see).observe(header);
        const all = { subtree: true, childList: true, attributes: true };
        new MutationObserver(see).observe(header, all);
    }""")
    page.set_input_files("#example", few / "0.png")
    released = 0
    while not page.locator(".badge.checked").count():
        page.wait_for_timeout(300)  # the bar stands as long
        while released < len(held):
            held[released].continue_()
            released += 1
    page.wait_for_function("document.querySelector('#status').textContent.includes('thread')")
    return page.evaluate("[...heights]")
