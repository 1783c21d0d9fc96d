"""The front page before one acts: drawings that are found already, and what else it leads to."""

import json

import pytest
from pages import BUNDLES, MODEL, ROOT, open_folder, search, wait_for_status, wait_for_title
from PIL import Image
from playwright.sync_api import expect

from clip_onnx import Clip
from web import build

FIRST = "“a large red circle”"


@pytest.fixture
def gallery(site):
    return json.loads((site / "gallery/index.json").read_text("utf-8"))


def names(page):
    return page.locator("#results li span:not(.times)").all_inner_texts()


def test_drawings_are_found_before_any_file_of_a_model_has_come(visit):
    page, asked = visit(variant="int8w"), []
    page.context.route("**/*.onnx", lambda route: asked.append(route.request.url))  # never answered
    page.context.route("**/*.wasm", lambda route: asked.append(route.request.url))
    page.goto(page.url.replace("image.html", "index.html"))
    assert wait_for_title(page, FIRST).endswith("the closest of 300")
    assert names(page)[:2] == ["large red circle"] * 2
    expect(page.get_by_label("A text")).to_have_value("a large red circle")
    page.get_by_role("group", name="Examples").get_by_text("a small blue star").click()
    wait_for_title(page, "“a small blue star”")
    assert names(page)[:3] == ["small blue star"] * 3
    assert f"{MODEL}'s in int8w" in page.text_content("#origin")


def test_what_ships_is_what_the_files_compute(site, gallery):
    clip = Clip(BUNDLES / MODEL, encoding="int8w")
    made = gallery["models"][MODEL]
    rows = 300 + len(gallery["queries"])
    content = (site / "gallery" / made["vectors"]["path"]).read_bytes()
    dimensions = clip.encode_text("a").shape[1]
    assert len(content) == made["vectors"]["bytes"] == 4 * rows * dimensions
    some = [Image.open(site / "gallery" / gallery["pictures"][place]["file"]) for place in (0, 299)]
    shipped = memoryview(content).cast("f", (rows, dimensions)).tolist()
    for picture, place in zip(some, (0, 299), strict=True):
        assert abs(clip.encode_image(picture)[0] - shipped[place]).max() < 1e-5
    text = clip.encode_text(gallery["queries"][0])[0]
    assert abs(text - shipped[300]).max() < 1e-5


def test_gallery_is_the_same_when_it_is_built_again(site, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    build.build(tmp_path / "again", BUNDLES, ROOT / "metrics")
    for path in (site / "gallery").iterdir():
        assert path.read_bytes() == (tmp_path / "again/gallery" / path.name).read_bytes()


def test_typing_searches_without_a_key_press_and_another_variant_asks_anew(visit):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    page.get_by_label("A text").fill("a large green cross, please")
    wait_for_title(page, "“a large green cross, please”")
    assert names(page)[0] == "large green cross"
    page.get_by_label("Variant").select_option("int6w")
    wait_for_title(page, "“a large green cross, please”")
    assert names(page)[0] == "large green cross"


def test_model_whose_files_made_no_vectors_has_no_drawings(visit, site):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    for file in listed["models"][0]["files"]:
        if (file["graph"], file["variant"]) == ("visual", "int8w"):
            file["sha256"] = "0" * 64
    page = visit()
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url.replace("image.html", "index.html"))
    page.wait_for_function("!document.querySelector('main').inert")
    page.get_by_label("A text").fill("a star")
    page.get_by_text("Open a folder of pictures first").wait_for()
    expect(page.get_by_role("group", name="Examples").locator("button")).to_have_count(0)


def test_folder_takes_the_place_of_the_drawings_and_gives_it_back(visit, few):
    page = visit("index.html", variant="int8w")
    wait_for_title(page, FIRST)
    open_folder(page, few)
    wait_for_status(page, "3 of 3 pictures indexed")
    assert wait_for_title(page, FIRST).endswith("the closest of 3")
    expect(page.locator("#origin")).to_be_hidden()
    page.get_by_role("button", name="Back to the drawings").click()
    page.get_by_text("the closest of 300").wait_for()
    assert len(search(page, "a star")) == 24


def test_what_clip_is_and_where_the_report_the_files_and_the_source_are(visit, site, tmp_path):
    page = visit("index.html")
    assert "0.99999" in page.inner_text("main")
    wait_for_title(page, FIRST)
    links = page.locator("footer")
    expect(links.get_by_text("The source")).to_be_hidden()
    links.get_by_text("The files").click()
    page.wait_for_url(f"**/report.html#{MODEL}")
    row = page.locator(f"[id='{MODEL}.visual.int8w']")
    assert "vision_model_quantized.onnx" in row.inner_text()
    with page.expect_download() as waiting:
        row.get_by_role("link").click()
    assert waiting.value.path().read_bytes() == (
        (BUNDLES / MODEL / "onnx/vision_model_quantized.onnx").read_bytes()
    )
    page.context.route(
        "**/config.json",
        lambda route: route.fulfill(json={"models": "models/", "source": "https://example.org/x"}),
    )
    page.goto(page.url.split("report")[0])
    page.locator("#source[href='https://example.org/x']").wait_for()


def test_report_says_what_is_not_offered_where(site):
    text = (site / "report.html").read_text("utf-8")
    listed = json.loads((site / "models/index.json").read_text("utf-8"))["models"]
    reasons = [
        reason for model in listed for f in model["files"] for reason in f["withheld"].values()
    ]
    assert all(f"not offered: {reason}" in text for reason in reasons)
    files = [file for model in listed for file in model["files"]]
    assert all(file["sha256"] in text for file in files)


def test_small_models_are_shown_no_photograph_and_may_say_none(visit, photograph):
    page = visit(variant="int8w")
    page.get_by_role("button", name="large red circle").wait_for()
    expect(page.locator("#samples button")).to_have_count(4)
    expect(page.get_by_label("Offer “none of these”")).to_be_checked()
    page.set_input_files("#pictures", photograph)
    best = page.locator(".card .bars li").first
    best.get_by_text("none of these").wait_for()
    page.get_by_label("Offer “none of these”").uncheck()
    page.wait_for_function("!document.querySelector('.bars').innerText.includes('none')")
    page.get_by_label("Offer “none of these”").check()
    page.get_by_role("button", name="small blue star").click()
    page.locator(".card", has_text="small-blue-star.png").locator(".bars").wait_for()
    assert best.inner_text().startswith("small blue star")


def test_photographs_are_offered_to_models_of_another_name(visit, site):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    listed["models"][0]["name"] = "vit-b-32"
    page = visit()
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url)
    page.get_by_role("button", name="rocket").wait_for()
