"""Files that are not what index.json lists: refused before they are used, and asked for again."""

import json

import pytest
from pages import BUNDLES, CARD, MODEL, cosine, downloaded, open_folder, search, wait_for_status
from PIL import Image
from playwright.sync_api import expect

TOWER = "vision_model_quantized.onnx"
DIFFERS = "is not the file that index.json lists: its content differs."
ANOTHERS = (
    (BUNDLES / "tiny-rn/onnx" / TOWER).read_bytes() if (BUNDLES / "tiny-rn").exists() else b""
)
STORED = """() => new Promise((resolve, reject) => {
    const request = indexedDB.open("clip-onnx.2", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("embeddings");
    request.onsuccess = () => {
        const table = request.result.transaction("embeddings").objectStore("embeddings");
        table.count().onsuccess = ({ target }) => resolve(target.result);
    };
    request.onerror = () => reject(request.error);
})"""


def give(page, name, **answer):
    """Let the server answer so where a file of that name is asked for."""
    page.context.route(f"**/models/**/{name}", lambda route: route.fulfill(**answer))


def error(page, said):
    """What the header says, once it says that."""
    page.locator("#error", has_text=said).wait_for()
    return page.text_content("#error")


def test_another_models_tower_is_refused_and_nothing_of_it_is_remembered(visit, few):
    page = visit("index.html", variant="int8w")
    give(page, TOWER, body=ANOTHERS)
    open_folder(page, few)
    assert error(page, TOWER) == f"{MODEL}/onnx/{TOWER} {DIFFERS} Try again"
    assert "The model could not be loaded." in wait_for_status(page, "could not")
    assert page.evaluate(STORED) == 0
    page.context.unroute(f"**/models/**/{TOWER}")
    page.get_by_role("button", name="Try again").click()
    assert "remembered" not in wait_for_status(page, "3 of 3 pictures indexed")
    expect(page.locator("#error")).to_be_hidden()
    assert page.evaluate(STORED) == 3
    assert len(search(page, "a star")) == 3


def test_the_right_file_that_comes_back_gives_the_right_embedding(visit, few, openai_embed):
    page = visit(variant="int8w")
    give(page, TOWER, body=ANOTHERS)
    page.set_input_files("#pictures", few / "0.png")
    page.locator(".card .error", has_text="0.png: The model could not be loaded.").wait_for()
    page.context.unroute(f"**/models/**/{TOWER}")
    page.get_by_role("button", name="Try again").click()
    page.locator(CARD).wait_for()
    found = downloaded(page, page.locator(CARD))["image_embeds"]
    assert cosine(openai_embed(Image.open(few / "0.png")), found) >= 0.9998


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "tokenizer_config.json", "text_model_quantized.onnx"]
)
def test_every_file_of_a_text_is_checked(visit, name):
    page = visit("text.html", variant="int8w")
    give(page, name, body="{}")
    page.get_by_role("button", name="Embed").click()
    assert f"{name} {DIFFERS}" in error(page, name)
    page.locator("#results", has_text="The model could not be loaded.").wait_for()
    page.context.unroute(f"**/models/**/{name}")
    page.get_by_role("button", name="Try again").click()
    page.locator(".card").first.wait_for()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404}, "could not be loaded (404)."),
        ({"body": b""}, DIFFERS),
        ({"body": ANOTHERS + bytes(2**20)}, DIFFERS),
    ],
)
def test_preparation_that_is_missing_or_another_is_named(visit, few, answer, said):
    page = visit(variant="int8w")
    give(page, "preprocess.onnx", **answer)
    page.set_input_files("#pictures", few / "0.png")
    assert f"{MODEL}/onnx/preprocess.onnx {said}" in error(page, "preprocess.onnx")


def test_a_file_is_asked_for_once_until_the_reader_asks_again(visit, few):
    page, asked = visit(variant="int8w"), []
    page.on("request", lambda request: asked.append(request.url.endswith(TOWER)))
    give(page, TOWER, body=ANOTHERS)
    page.set_input_files("#pictures", [few / "0.png", few / "1.png", few / "2.png"])
    error(page, TOWER)
    page.wait_for_function("document.querySelectorAll('.card .error').length === 3")
    assert sum(asked) == 1


def test_external_weights_are_checked(visit, site):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))["models"]
    file = next(file for file in listed[0]["files"] if file["graph"] == "visual")
    data = {"path": "tiny-vit/tokenizer_config.json", "bytes": 251, "sha256": "0" * 64}
    said = visit().evaluate(
        """async (file) => {
            const from = (name) => import(new URL(`js/${name}.js`, document.baseURI));
            const { libraries } = await (await from("catalogue")).load();
            const { start } = await from("runtime");
            const runtime = await start("wasm", libraries, "default", () => {});
            const url = (path) => new URL(`models/${path}`, document.baseURI).href;
            const data = { ...file.data, url: url(file.data.path) };
            const located = { ...file, url: url(file.path), data };
            return runtime.session(located).then(() => "", (error) => error.message);
        }""",
        file | {"data": data},
    )
    assert said == f"tiny-vit/tokenizer_config.json {DIFFERS}"


def test_page_that_cannot_check_files_says_so_and_uses_none(chromium, address):
    with chromium.new_context() as context:
        # An address that is no localhost, as a name in a local network is.
        context.route(
            "http://pages.example/**",
            lambda route: route.fulfill(
                response=route.fetch(url=route.request.url.replace("http://pages.example", address))
            ),
        )
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto("http://pages.example/image.html")
        page.locator("#error", has_text="Model files cannot be checked at this address").wait_for()
        assert "open it by https, or on localhost" in page.text_content("#error")
        expect(page.locator("main")).to_be_hidden()
        assert not [url for url in asked if "/models/" in url]


def test_index_of_another_version_is_told(visit, site):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    for model in listed["models"]:
        model["tokenizer"] = f"{model['name']}/tokenizer.json"
    page = visit()
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url)
    assert 'build it with "make web"' in error(page, "is of another version of these pages")
    page.context.unroute("**/models/index.json")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_function("!document.querySelector('#model').disabled")


def test_what_earlier_pages_remembered_without_checking_is_forgotten(visit):
    page = visit("text.html")
    page.evaluate("""() => new Promise((resolve) => {
        const request = indexedDB.open("clip-onnx", 1);
        request.onsuccess = () => { request.result.close(); resolve(); };
    })""")
    page.goto(page.url.replace("text.html", "index.html"))
    wait_for_status(page, "No folder is open.")
    gone = "async () => !(await indexedDB.databases()).some(({ name }) => name === 'clip-onnx')"
    while not page.evaluate(gone):
        page.wait_for_timeout(50)
