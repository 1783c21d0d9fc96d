"""The text page in Chromium against OpenAI's tokenizer and PyTorch code."""

import json
import random
import unicodedata

import numpy as np
import other_tokens
import pytest
from playwright.sync_api import expect
from test_tokens import PIECES

from clip_onnx import openai
from clip_onnx.host import tokens
from clip_onnx.measure import parity
from clip_onnx.openai import models

MOJIBAKE = "â€™ mojibake"  # which only ftfy repairs
LONG = "a diagram of many things. " * 20


@pytest.fixture
def encode(visit):
    """texts -> token ids of each, as the pages clean and tokenise them."""
    page = visit("text.html")

    def run(texts):
        # As JSON: Playwright takes a minute to carry as many lists.
        found = page.evaluate(
            """async (json) => {
                const from = (name) => import(new URL(`js/${name}.js`, document.baseURI));
                const [{ clean }, { create }] = [await from("cleaning"), await from("tokenizer")];
                const read = async (name) => (await fetch(`models/tiny-vit/${name}`)).json();
                const config = await read("tokenizer_config.json");
                const tokenize = create(await read("tokenizer.json"), config, true);
                return JSON.stringify(JSON.parse(json).map((text) => tokenize(clean(text)).ids));
            }""",
            json.dumps(texts),
        )
        return json.loads(found)

    return run


def differing(encode, texts):
    expected = openai.tokenize(texts, truncate=True).numpy()
    found = tokens.pad(encode(texts), 0, tokens.CONTEXT)
    return [text for text, a, b in zip(texts, expected, found, strict=True) if not (a == b).all()]


def test_tokens_are_openais_on_thousands_of_mixed_strings(encode):
    pieces = [piece for piece in PIECES if piece != MOJIBAKE]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(pieces, k=rng.randint(1, 40))) for _ in range(2000)]
    assert differing(encode, [*pieces, *texts, "", "x" * 500, "word " * 200]) == []


def test_tokens_are_openais_on_the_known_characters(encode):
    characters = [
        chr(code)
        for code in range(1, 0x20000)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs") and code != 0x345
    ]
    assert differing(encode, [f"x{c}y{c}!{c}5 {c}" for c in characters]) == []


def test_mojibake_is_what_only_ftfy_repairs(encode):
    assert differing(encode, [MOJIBAKE, "a photo of a cat"]) == [MOJIBAKE]


def test_other_tokens_are_those_of_transformers(visit, tmp_path):
    _, tokenizer = other_tokens.save(tmp_path)
    texts = ["a red circle", *other_tokens.FOREIGN, "", "ﬁne &amp; done", "x 7 " * 60]
    names = ("tokenizer.json", "tokenizer_config.json")
    files = [json.loads((tmp_path / name).read_text("utf-8")) for name in names]
    found = visit("text.html").evaluate(
        """async ([description, config, texts]) => {
            const { create } = await import(new URL("js/tokenizer.js", document.baseURI));
            return texts.map(create(description, { ...config, model_max_length: 77 }, false));
        }""",
        [*files, texts],
    )
    expected = tokenizer(texts, truncation=True, max_length=77)
    assert [row["ids"] for row in found] == expected.input_ids
    shown = "".join(found[1]["tokens"])
    assert shown == f"<s> {other_tokens.FOREIGN[0]}</s>"


def embed(page, *texts):
    page.get_by_label("Texts, one a line").fill("\n".join(texts))
    page.get_by_role("button", name="Embed").click()
    page.wait_for_function(
        "count => document.querySelectorAll('.card').length === count", arg=len(texts)
    )


def test_embeddings_are_openais_and_the_matrix_is_their_cosines(visit, checkpoint):
    texts = ["a photo of a large red circle.", "“Ein” ＲＯＴＥＲ Kreis &amp; mehr", LONG]
    page = visit("text.html")
    embed(page, *texts)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    content = json.loads(waiting.value.path().read_text("utf-8"))
    found = np.array([row["text_embeds"] for row in content["texts"]], np.float32)
    ids = openai.tokenize(texts, truncate=True)
    expected = models.embed(checkpoint, "textual", [ids]).numpy()
    assert parity.cosine(expected, found).min() >= 0.9999
    cells = page.locator("td[style]").all_inner_texts()
    cosines = [parity.cosine(a[None], b[None])[0] for a in expected for b in expected]
    assert np.abs(np.float32(cells) - cosines).max() < 0.0011  # they show three digits


def test_what_is_cut_at_77_tokens_is_shown(visit):
    page = visit("text.html", variant="int8w")
    embed(page, "a b c", LONG)
    short, long = (page.locator(".card").nth(place) for place in range(2))
    assert short.locator(".tokens li").all_inner_texts() == ["start", "a", "b", "c", "end"]
    expect(short.locator(".cut")).to_have_count(0)
    count = len(tokens.clean(LONG).replace(".", " .").split()) + 2
    expect(long.locator(".cut")).to_have_count(count - 77)
    assert f"{count} tokens, of which the model reads 77" in long.inner_text()


def test_empty_text_is_said(visit):
    page = visit("text.html")
    page.get_by_label("Texts, one a line").fill("  \n ")
    page.get_by_role("button", name="Embed").click()
    page.get_by_text("No text yet.").wait_for()
    expect(page.get_by_role("button", name="Download")).to_be_disabled()
