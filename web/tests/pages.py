"""What the tests of the pages share."""

from pathlib import Path

import numpy as np

from stages import parity

ROOT = Path(__file__).parent.parent.parent
BUNDLES = ROOT / "data/bundles"
MODEL = "tiny-vit"
CARD = ".card:has(.bars)"  # a picture's result


def cosine(expected, found):
    """Of two embeddings, the second as JSON has it."""
    return parity.cosine(expected[None], np.array([found], np.float32))[0]
