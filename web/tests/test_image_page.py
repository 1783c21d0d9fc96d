"""The image page in Chromium against Pillow, torchvision and OpenAI's PyTorch code."""

import base64
import json

import numpy as np
import pytest
from pages import CARD, MODEL, ROOT, cosine, downloaded
from PIL import Image, ImageCms, ImageOps
from playwright.sync_api import expect

from clip_onnx import openai
from clip_onnx.openai import models


def choose(page, *paths):
    """Pick files through the file chooser; the cards of their results, in order."""
    with page.expect_file_chooser() as waiting:
        page.get_by_text("Choose pictures", exact=True).click()
    waiting.value.set_files([str(path) for path in paths])
    page.wait_for_function(
        "count => document.querySelectorAll('.card .bars').length === count", arg=len(paths)
    )
    return [page.locator(CARD).nth(place) for place in range(len(paths))]


def offer_no_none(page):
    page.locator("#none:checked").wait_for()
    page.get_by_label("Offer “none of these”").uncheck()


def decoded(page, path, orient=False):
    """uint8 [height, width, 3] as the page decodes a file."""
    found = page.evaluate(
        """async ([content, orient]) => {
            const { decode } = await import(new URL("js/pixels.js", document.baseURI));
            const blob = await (await fetch(`data:;base64,${content}`)).blob();
            const { pixels, width, height, approximate } = await decode(blob, orient);
            const text = Array.from(pixels, (value) => String.fromCharCode(value)).join("");
            return { shape: [height, width, 3], text: btoa(text), approximate };
        }""",
        [base64.b64encode(path.read_bytes()).decode(), orient],
    )
    assert not found["approximate"]
    return np.frombuffer(base64.b64decode(found["text"]), np.uint8).reshape(found["shape"])


@pytest.mark.parametrize(("variant", "floor"), [("fp32", 0.9999), ("int8w", 0.999)])
def test_embedding_of_a_chosen_photograph_is_pythons(
    visit, photograph, openai_embed, variant, floor
):
    page = visit(variant=variant)
    (card,) = choose(page, photograph)
    found = downloaded(page, card)
    expected = openai_embed(Image.open(photograph))
    assert cosine(expected, found["image_embeds"]) >= floor
    assert (found["width"], found["height"], found["variant"]) == (640, 427, variant)
    measured = json.loads((ROOT / "metrics/runtimes.json").read_text("utf-8"))["onnxruntime-web"][
        MODEL
    ]
    figures = measured["image" if variant == "fp32" else "visual"][variant]
    assert found["parity"] == {
        "cosine_min": figures["cosine"],
        "inputs": figures["inputs"],
        "measured_in": "WebAssembly",
    }
    shown = f"worst of {figures['inputs']} pictures {figures['cosine']:.7f} · WebAssembly"
    assert shown in page.text_content("#badges")


def test_labels_have_openais_probabilities(visit, site, checkpoint, photograph):
    page = visit()
    offer_no_none(page)
    (card,) = choose(page, photograph)
    lines = card.locator(".bars li")
    found = {line.split("\n")[0]: line.split("\n")[1] for line in lines.all_inner_texts()}
    labels = page.input_value("#labels").split("\n")
    texts = [f"a photo of a {label}." for label in labels]
    picture = openai.transform(64)(Image.open(photograph))[None]
    embeds = [
        models.embed(checkpoint, "visual", [picture]).numpy(),
        models.embed(checkpoint, "textual", [openai.tokenize(texts)]).numpy(),
    ]
    image, text = (rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in embeds)
    listed = json.loads((site / "models/index.json").read_text("utf-8"))["models"]
    (scale,) = [entry["logit_scale"] for entry in listed if entry["name"] == MODEL]
    powers = np.exp(scale * (text @ image[0]))
    expected = powers / powers.sum()
    assert found == {
        label: f"{100 * share:.1f} %" for label, share in zip(labels, expected, strict=True)
    }


def test_sample_is_recognised_and_by_the_classifier_too(visit):
    page = visit(variant="int8w")
    page.get_by_label("Show the labels that a file").check()
    page.get_by_role("button", name="small blue star").click()
    bars = page.locator(f"{CARD} .bars")
    bars.nth(1).wait_for()
    assert bars.nth(0).locator("li").first.inner_text().startswith("small blue star")
    assert bars.nth(1).locator("li").first.inner_text().startswith("small blue star")


def test_new_labels_and_a_new_model_reach_what_is_shown(visit):
    page = visit(variant="int8w")
    offer_no_none(page)
    page.get_by_role("button", name="large red circle").click()
    page.locator(CARD).wait_for()
    page.get_by_label("Labels, one a line").fill("large red ring\nlarge red circle\n")
    page.wait_for_function("document.querySelectorAll('.bars li').length === 2")
    assert page.locator(".bars li").first.inner_text().startswith("large red circle")
    page.locator("#model").select_option("tiny-rn")
    page.wait_for_function(
        "document.querySelector('.times')?.textContent.includes('model loaded')"
        "&& document.querySelectorAll('.bars li').length === 2"
    )
    assert page.locator(".bars li").first.inner_text().startswith("large red circle")
    page.get_by_label("Prompt").fill("a photo")
    page.get_by_text("The prompt needs {}").wait_for()


def test_choice_is_remembered_on_the_other_pages(visit):
    page = visit(variant="int8w")
    page.get_by_label("Variant").select_option("int6w")
    page.get_by_role("link", name="Search").click()
    page.wait_for_function("!document.querySelector('#variant').disabled")
    expect(page.get_by_label("Variant")).to_have_value("int6w")
    expect(page.locator("#model")).to_have_value(MODEL)


def test_file_that_is_no_picture_is_named_and_the_others_are_embedded(visit, photograph, tmp_path):
    wrong = tmp_path / "notes.png"
    wrong.write_text("no picture", "utf-8")
    page = visit()
    page.set_input_files("#pictures", [wrong, photograph])
    page.get_by_text("notes.png: this browser cannot read it as a picture").wait_for()
    page.locator(CARD).filter(has_text="rocket.jpg").wait_for()


def test_dropped_picture_is_embedded(visit):
    page = visit()
    page.evaluate("""async () => {
        const blob = await (await fetch("samples/chelsea.png")).blob();
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([blob], "dropped.png", { type: "image/png" }));
        const options = { dataTransfer, cancelable: true, bubbles: true };
        document.body.dispatchEvent(new DragEvent("drop", options));
    }""")
    page.locator(CARD).filter(has_text="dropped.png").wait_for()


MODES = ["RGB", "RGBA", "L", "LA", "P", "1"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_lossless_pictures_are_pillows_to_the_last_bit(visit, tmp_path, mode, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 4), np.uint8)
    pixels[:9, :, 3] = 0  # invisible, but stored
    path = tmp_path / f"picture{suffix}"
    picture = Image.fromarray(pixels if "A" in mode else pixels[..., :3]).convert(mode)
    picture.save(path, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(decoded(visit(), path), expected)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_colour_profile_is_ignored(visit, photograph, tmp_path, suffix):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {
        bytes(profile[at : at + 4]): at + 4 for at in range(132, 132 + 12 * profile[131], 12)
    }
    red, green = (slice(entries[name], entries[name] + 8) for name in (b"rXYZ", b"gXYZ"))
    profile[red], profile[green] = profile[green], profile[red]  # red for green, if it were used
    path = tmp_path / f"picture{suffix}"
    Image.open(photograph).save(path, icc_profile=bytes(profile), lossless=True)
    expected = np.asarray(Image.open(path).convert("RGB"), int)
    assert np.abs(decoded(visit(), path) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_differs_from_pillows_by_a_level_at_most(visit, photograph, tmp_path, mode):
    path = tmp_path / "picture.jpg"
    Image.open(photograph).convert(mode).save(path)
    expected = np.asarray(Image.open(path).convert("RGB"), int)
    assert np.abs(decoded(visit(), path) - expected).max() <= 1


def with_orientation(photograph, path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(photograph).resize((64, 48)).save(path, exif=exif, lossless=True)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_exif_orientation_is_ignored_unless_asked_for(
    visit, photograph, tmp_path, suffix, orientation
):
    path = with_orientation(photograph, tmp_path / f"turned{suffix}", orientation)
    page, picture = visit(), Image.open(path)
    as_stored = np.asarray(picture.convert("RGB"), int)
    turned = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), int)
    assert np.abs(decoded(page, path) - as_stored).max() <= 1
    if suffix == ".jpg":  # the other formats' entries are not read by every browser
        assert np.abs(decoded(page, path, orient=True) - turned).max() <= 1


def test_exif_switch_turns_the_picture_on_the_page(visit, photograph, openai_embed, tmp_path):
    path = with_orientation(photograph, tmp_path / "turned.jpg", 6)
    page = visit()
    (card,) = choose(page, path)
    assert downloaded(page, card)["exif_orientation"] == "ignored"
    page.get_by_label("Turn photographs").check()
    card.get_by_text("48 × 64").wait_for()
    found = downloaded(page, card)
    assert found["exif_orientation"] == "applied"
    expected = openai_embed(ImageOps.exif_transpose(Image.open(path)))
    assert cosine(expected, found["image_embeds"]) >= 0.9999


def test_results_come_into_view_and_what_was_typed_outlives_a_reload(visit):
    page = visit("image.html", variant="int8w")
    page.set_viewport_size({"width": 390, "height": 600})
    page.get_by_label("Labels, one a line").fill("one of mine\nanother")
    page.get_by_role("button", name="large red circle").click()
    expect(page.locator(CARD)).to_be_in_viewport()
    page.reload()
    expect(page.get_by_label("Labels, one a line")).to_have_value("one of mine\nanother")
    expect(page.get_by_label("Prompt")).to_have_value("a photo of a {}.")

    page = visit("text.html", variant="int8w")
    page.set_viewport_size({"width": 390, "height": 600})
    page.get_by_label("Texts, one a line").fill("mine")
    page.get_by_role("button", name="Embed").click()
    expect(page.locator("#results .times").first).to_be_in_viewport()
    page.reload()
    expect(page.get_by_label("Texts, one a line")).to_have_value("mine")
