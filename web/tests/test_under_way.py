"""What comes late, and what changes while something is under way."""

import json

import pytest
from pages import CARD, HELD, ROOT, downloaded, open_folder, wait_for_status
from playwright.sync_api import expect


def test_results_of_another_model_are_not_shown(visit):
    page = visit(variant="int8w")
    page.get_by_role("button", name="large red circle").click()
    page.locator(CARD).wait_for()
    page.evaluate(HELD, "picture")
    page.locator("#model").select_option("tiny-rn")
    page.wait_for_function("held.length === 1 && answers === 2")  # the start, the labels
    expect(page.locator(".card .bars")).to_have_count(0)
    page.evaluate("flow()")
    page.locator(CARD).wait_for()
    found = downloaded(page, page.locator(CARD))
    sizes = json.loads((ROOT / "data/bundles/tiny-rn/config.json").read_text("utf-8"))
    assert found["model"] == "tiny-rn"
    assert len(found["image_embeds"]) == sizes["projection_dim"]


def test_pictures_can_be_cleared_and_their_memory_is_given_back(visit):
    page = visit(variant="int8w")
    page.get_by_role("button", name="large red circle").click()
    page.locator(CARD).wait_for()
    address = page.locator(".card > img").get_attribute("src")
    page.get_by_role("button", name="Clear the pictures").click()
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_text("No picture yet.").wait_for()
    expect(page.get_by_role("button", name="Clear the pictures")).to_be_hidden()
    revoked = "address => fetch(address).then(() => false, () => true)"
    assert page.evaluate(revoked, address)


def test_text_asked_for_during_a_change_of_model_is_answered(visit):
    page = visit("text.html", variant="int8w")
    page.wait_for_function("document.querySelector('#status').textContent.includes('thread')")
    page.evaluate(HELD, "texts")
    page.get_by_role("button", name="Embed").click()
    page.get_by_text("embedding …").wait_for()
    page.locator("#model").select_option("tiny-rn")
    page.evaluate("flow()")
    page.locator(".card").first.wait_for()
    assert "model loaded in" in page.text_content("#announce")
    page.get_by_role("button", name="Embed").click()
    page.wait_for_function(
        "!document.querySelector('#announce').textContent.includes('model loaded')"
    )


@pytest.mark.parametrize(
    ("path", "picker", "answer"),
    [
        ("image.html", "#pictures", CARD),
        ("index.html", "#folder", "#forget"),
        ("index.html", "#example", "#results-title:has-text('Like 0.png: the closest of 300')"),
    ],
)
def test_inputs_wait_for_the_list_of_models(visit, few, path, picker, answer):
    page = visit()
    page.wait_for_function("!document.querySelector('main').inert")
    held = []
    page.context.route("**/models/index.json", lambda route: held.append(route))
    page.goto(page.url.replace("image.html", path))
    assert page.evaluate("document.querySelector('main').inert")
    page.set_input_files(picker, few if picker == "#folder" else few / "0.png")
    page.evaluate("document.querySelector('#orient').click()")
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    page.locator(answer).wait_for()  # what was chosen meanwhile counts
    assert not page.evaluate("document.querySelector('main').inert")


def test_bundle_without_preprocessing_says_which_file_is_missing(visit, site, few):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    for model in listed["models"]:
        graphs = ("visual", "textual", "classifier")
        model["files"] = [file for file in model["files"] if file["graph"] in graphs]
    page = visit()
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url)
    page.get_by_role("button", name="small blue star").click()
    page.locator(".card .error", has_text="bundle has no preprocess.onnx").wait_for()
    page.get_by_role("link", name="Search").click()
    open_folder(page, few)
    wait_for_status(page, "bundle has no preprocess.onnx")
    page.get_by_role("link", name="Text", exact=True).click()
    page.get_by_role("button", name="Embed").click()
    page.locator(".card").first.wait_for()


def test_picture_that_fails_in_the_model_does_not_stop_the_folder(visit, site, few):
    decoder = (site / "js/pixels.js").read_text("utf-8")
    start = "export async function decode(blob, orient = false) {"
    assert start in decoder
    wrong = 'if (blob.name === "1.png") return { pixels: new Uint8Array(3), width: 9, height: 9 };'
    page = visit("index.html", variant="int8w")
    page.context.route(
        "**/js/pixels.js",
        lambda route: route.fulfill(
            body=decoder.replace(start, start + wrong), content_type="text/javascript"
        ),
    )
    page.goto(page.url)
    open_folder(page, few)
    assert "1 could not be embedded" in wait_for_status(page, "2 of 3 pictures indexed")


def test_what_the_store_gives_after_a_change_of_model_is_dropped(visit):
    page = visit("index.html")
    found = page.evaluate("""async () => {
        const from = (name) => import(new URL(`js/${name}.js`, document.baseURI));
        const [{ Folder }, store] = [await from("folder"), await from("store")];
        const file = new File(["x"], "a.png", { type: "image/png" });
        await store.put([[store.key(file, "old", false), new Float32Array(2)]]);
        const opened = new Folder([file]), run = {};
        const index = (run) => opened.index(null, "old", false, run, () => {});
        const late = index(run);
        run.ended = run.replaced = true;
        await late;
        const dropped = opened.vectors.size;
        await index({});
        return [dropped, opened.vectors.size, opened.remembered];
    }""")
    assert found == [0, 1, 1]


def test_later_query_goes_before_a_later_answer(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    page.get_by_label("A text").fill("a star")
    page.evaluate(HELD, "texts")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_function("held.length === 1")
    page.evaluate("globalThis.first = held.splice(0)")
    page.get_by_label("A text").fill("a circle")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_function("held.length === 1")
    page.evaluate("release()")
    title = "document.querySelector('#results-title').textContent"
    page.wait_for_function(f"{title}.startsWith('“a circle”')")
    page.evaluate("first[0]()")
    page.wait_for_function("answers === 2")
    assert page.text_content("#results-title").startswith("“a circle”")


def test_focus_and_thumbnails_stay_when_indexing_ends(visit, few):
    page = visit("index.html", variant="int8w")
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    page.get_by_label("A text").fill("a star")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_function("document.querySelectorAll('canvas[width=\"288\"]').length === 3")
    page.locator("#results button").nth(1).focus()
    name = page.evaluate("document.activeElement.ariaLabel")
    page.evaluate("""() => {
        globalThis.changes = 0;
        new MutationObserver(() => { changes += 1; }).observe(results, { childList: true });
        resume.onclick();  // indexing ends at once, and ranks again
    }""")
    page.wait_for_function("changes > 0")
    assert page.evaluate("document.activeElement.ariaLabel") == name
    expect(page.locator('canvas[width="288"]')).to_have_count(3)


def test_runtime_that_does_not_start_is_said_once(visit):
    page = visit(variant="int8w")
    page.wait_for_function("!document.querySelector('#runtime').disabled")
    page.get_by_role("button", name="large red circle").click()
    page.locator(CARD).wait_for()
    page.evaluate("document.querySelector('#runtime option[value=webgpu]').disabled = false")
    page.get_by_label("Runs in").select_option("webgpu")
    page.locator(".card .error", has_text="The runtime did not start.").wait_for()
    assert page.inner_text("body").count("offers no WebGPU adapter") == 1
    expect(page.locator("#template-error")).to_be_hidden()
