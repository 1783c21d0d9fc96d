"""What the tests of the pages share."""

import json
from pathlib import Path

import numpy as np

from clip_onnx.measure import parity

ROOT = Path(__file__).parent.parent.parent
BUNDLES = ROOT / "data/bundles"
MODEL = "tiny-vit"
CARD = ".card:has(.bars)"  # a picture's result
STATUS = "#folder-status"
HELD = """(task) => {
    const post = Worker.prototype.postMessage;
    globalThis.held = [];
    globalThis.answers = 0;
    Worker.prototype.postMessage = function (message) {
        const count = ({ data }) => { if (data.id === message.id) answers += 1; };
        this.addEventListener("message", count);
        const send = () => post.call(this, message);
        if (message.task === task) held.push(send);
        else send();
    };
    globalThis.release = () => { for (const send of held.splice(0)) send(); };
    globalThis.flow = () => { Worker.prototype.postMessage = post; release(); };
}"""  # the page's requests for a task wait until `release`, or `flow` for good


def cosine(expected, found):
    """Of two embeddings, the second as JSON has it."""
    return parity.cosine(expected[None], np.array([found], np.float32))[0]


def downloaded(page, card):
    """The JSON that a card's button gives."""
    with page.expect_download() as waiting:
        card.get_by_role("button", name="Download").click()
    return json.loads(waiting.value.path().read_text("utf-8"))


def wait_for_status(page, text):
    page.wait_for_function(
        f"text => document.querySelector('{STATUS}').textContent.includes(text)", arg=text
    )
    return page.text_content(STATUS)


def open_folder(page, folder):
    page.wait_for_function("!document.querySelector('#model').disabled")
    page.set_input_files("#folder", folder)


def wait_for_title(page, start):
    """The heading of the results, once it says what they are the closest of."""
    title = "document.querySelector('#results-title').textContent"
    page.wait_for_function(
        f"start => {title}.startsWith(start) && {title}.includes(': the closest')", arg=start
    )
    return page.text_content("#results-title")


def search(page, text):
    page.get_by_label("A text").fill(text)
    page.get_by_role("button", name="Search", exact=True).click()
    wait_for_title(page, f"“{text}”")
    return page.locator("#results li span:not(.times)").all_inner_texts()
