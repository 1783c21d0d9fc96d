"""Pictures that OpenAI's transform resizes before it converts them to RGB, where that matters."""

import base64
import json
from typing import get_args

import numpy as np
import pytest
from pages import BUNDLES, CARD, MODEL, cosine, downloaded
from PIL import Image
from torchvision import transforms

from clip_onnx.host import pictures, preparation

SHAPED = """async ([content, name, resize]) => {
    const from = (name) => import(new URL(`js/${name}.js`, document.baseURI));
    const [{ decode }, { shaped }] = [await from("pixels"), await from("shaping")];
    const { load, files } = await from("catalogue");
    const { base, models, libraries } = await load();
    const chosen = files(base, models.find((model) => model.name === name), "fp32", "wasm");
    const { start } = await from("runtime");
    const runtime = globalThis.kept ??= await start("wasm", libraries, "default", () => {});
    const prepare = async ({ pixels, width, height }) => {
        const feeds = { image: runtime.tensor("uint8", pixels, [height, width, 3]) };
        return (await runtime.run(chosen.preprocess, feeds)).data;
    };
    chosen.resize = resize;
    const blob = await (await fetch(`data:;base64,${content}`)).blob();
    const { pixels, width, height } = await shaped(await decode(blob), chosen, prepare);
    const text = Array.from(pixels, (value) => String.fromCharCode(value)).join("");
    return { shape: [height, width, 3], text: btoa(text) };
}"""
SIZES = [(53, 37), (64, 100), (97, 411), (301, 303), (1, 1)]


@pytest.fixture(scope="module")
def side():
    listed = json.loads((BUNDLES / MODEL / "preprocessor_config.json").read_text("utf-8"))
    return listed["crop_size"]["height"]


@pytest.fixture
def shaped(visit):
    """path -> what the graphs are given of a file, uint8 [height, width, 3]."""
    page = visit("text.html")

    def run(path, resize="shortest"):
        content = base64.b64encode(path.read_bytes()).decode()
        found = page.evaluate(SHAPED, [content, MODEL, resize])
        return np.frombuffer(base64.b64decode(found["text"]), np.uint8).reshape(found["shape"])

    return run


def noise(size, mode):
    """Noise whose upper third is invisible, the next sixth opaque; stored all the same."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    pixels[: height // 3, :, 3] = 0
    pixels[height // 3 : height // 2, :, 3] = 255
    picture = Image.fromarray(pixels)
    if mode == "P":
        return picture.convert("RGB").quantize(200)
    return (picture if "A" in mode else picture.convert("RGB")).convert(mode)


def transformed(picture, side):
    """OpenAI's transform up to its numbers, uint8 [side, side, 3]."""
    bicubic = transforms.InterpolationMode.BICUBIC
    shape = transforms.Compose([transforms.Resize(side, bicubic), transforms.CenterCrop(side)])
    return np.asarray(shape(picture).convert("RGB"))


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize(
    ("mode", "suffix", "options"),
    [
        ("RGBA", ".png", {}),
        ("LA", ".png", {}),
        ("P", ".png", {}),
        ("P", ".png", {"transparency": 7}),
        ("P", ".png", {"transparency": bytes(range(200))}),
        ("RGB", ".png", {"transparency": (1, 2, 3)}),
        ("L", ".png", {"transparency": 9}),
        ("1", ".png", {}),
        ("RGBA", ".webp", {"lossless": True, "exact": True}),
        ("P", ".gif", {}),
        ("L", ".gif", {}),
        ("P", ".bmp", {}),
        ("L", ".bmp", {}),
        ("1", ".bmp", {}),
    ],
)
def test_graphs_are_given_what_pillow_resizes_to_the_last_bit(
    shaped, tmp_path, side, mode, suffix, options
):
    for size in SIZES:
        path = tmp_path / f"{size[0]}x{size[1]}{suffix}"
        noise(size, mode).save(path, **options)
        found = transformed(Image.fromarray(shaped(path)), side)  # as the graphs do
        with Image.open(path) as picture:
            np.testing.assert_array_equal(found, transformed(picture, side), str(size))


def test_transparent_pixels_of_a_gif_are_black_where_pillow_has_their_colours(
    shaped, tmp_path, side
):
    path = tmp_path / "clear.gif"
    noise((301, 203), "P").save(path, transparency=7)
    with Image.open(path) as picture:
        mask = np.asarray(picture.resize((94, 64), Image.Resampling.NEAREST).crop((15, 0, 79, 64)))
        expected = transformed(picture, side)
    found = shaped(path)
    assert (mask == 7).any()
    np.testing.assert_array_equal(found[mask != 7], expected[mask != 7])
    assert not found[mask == 7].any()


@pytest.mark.parametrize("resize", get_args(preparation.Resize))
@pytest.mark.parametrize("size", [*SIZES, (128, 3), (61, 64)])
def test_bits_are_resized_in_every_way(shaped, tmp_path, side, size, resize):
    """By the nearest pixel; filled up with black."""
    path = tmp_path / "bits.png"
    noise(size, "1").save(path)
    unscaled = preparation.Preparation((0, 0, 0), (1, 1, 1), resize=resize)
    with Image.open(path) as picture:
        expected = pictures.preprocess(picture, side, unscaled)
    found = Image.fromarray(shaped(path, resize))
    np.testing.assert_array_equal(pictures.preprocess(found, side, unscaled), expected)


def test_embedding_of_a_picture_with_transparency_is_openais(visit, openai_embed, tmp_path):
    drawn = Image.new("RGBA", (301, 203), (255, 0, 0, 0))
    rows, columns = np.ogrid[:203, :301]
    pixels = np.array(drawn)
    pixels[(rows - 100) ** 2 + (columns - 150) ** 2 < 80**2] = (20, 200, 40, 255)
    pixels[::7, ::5] = (0, 0, 255, 90)
    path = tmp_path / "logo.png"
    Image.fromarray(pixels).save(path)
    expected = openai_embed(Image.open(path))
    assert cosine(expected, openai_embed(Image.open(path).convert("RGB"))) < 0.99
    page = visit()
    page.set_input_files("#pictures", path)
    page.locator(CARD).wait_for()
    found = downloaded(page, page.locator(CARD))
    assert cosine(expected, found["image_embeds"]) >= 0.99999
    assert (found["width"], found["height"]) == (301, 203)


def test_bundle_that_cannot_resize_transparency_says_so(visit, site, tmp_path):
    listed = json.loads((site / "models/index.json").read_text("utf-8"))
    for model in listed["models"]:
        model["files"] = [file for file in model["files"] if file["graph"] != "preprocess"]
    page = visit()
    page.context.route("**/models/index.json", lambda route: route.fulfill(json=listed))
    page.goto(page.url)
    noise((80, 70), "RGBA").save(tmp_path / "clear.png")
    page.set_input_files("#pictures", tmp_path / "clear.png")
    page.locator(".card .error", has_text="the model's bundle no preprocess.onnx").wait_for()
