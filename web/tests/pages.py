"""What the tests of the pages share."""

import json
from pathlib import Path

import numpy as np

from clip_onnx.measure import parity

ROOT = Path(__file__).parent.parent.parent
BUNDLES = ROOT / "data/bundles"
MODEL = "tiny-vit"
CARD = ".card:has(.bars)"  # a picture's result


def cosine(expected, found):
    """Of two embeddings, the second as JSON has it."""
    return parity.cosine(expected[None], np.array([found], np.float32))[0]


def downloaded(page, card):
    """The JSON that a card's button gives."""
    with page.expect_download() as waiting:
        card.get_by_role("button", name="Download").click()
    return json.loads(waiting.value.path().read_text("utf-8"))
