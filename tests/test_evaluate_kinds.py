from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

from clip_onnx import graphs
from clip_onnx.host import pictures, preparation
from clip_onnx.measure import parity
from stages.compose.products import preprocess
from stages.evaluate.file import File
from stages.evaluate.kinds import combined
from stages.evaluate.kinds import preprocess as measured

SIDE, SHAPES = 32, [(40, 60), (32, 32), (90, 33)]
GIVEN = Namespace(evalset=None, checkpoint="none")  # so that its pictures are OpenAI's
DARKER = (0.0, -0.2, -2.3)  # grey levels: none, too little for one, and two


class Truth:
    """Three pictures, of which the second and the third were prepared otherwise."""

    def __init__(self, rows):
        rng = np.random.default_rng(0)
        self.rows = rows
        self.whole = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]

    def pictures(self, evalset):
        return (self.whole[row] for row in self.rows)

    def pixels(self, rows):
        prepared = []
        for row in rows:
            values = pictures.preprocess(Image.fromarray(self.whole[row]), SIDE)
            values[0] += np.float32(DARKER[row] / 255 / preparation.OPENAI.std[0])
            prepared.append(values)
        return np.stack(prepared)


@pytest.fixture
def file(tmp_path):
    graphs.save(preprocess.build(SIDE), tmp_path)
    return File(tmp_path)


def test_no_pixel_of_the_references_own_is_off(file):
    metrics, _, control, cosines = measured.measure(file, Truth([0, 1]), GIVEN)
    assert (metrics["inputs"], metrics["pixels_off"], metrics["pixels_max"]) == (2, 0, 0)
    assert metrics["cosine_min"] > 0.99999 > 0.9 > control["cosine_mean"]
    assert len(cosines) == 2


def test_pixels_off_are_the_worst_pictures(file):
    """A third of its values, the red ones, are two grey levels off."""
    metrics, _, _, cosines = measured.measure(file, Truth([2, 0, 1]), GIVEN)
    assert metrics["pixels_off"] == pytest.approx(1 / 3)
    assert metrics["pixels_max"] == 2
    assert min(cosines) == cosines[0] == parity.repeatable("cosine", metrics["cosine_min"])


@pytest.mark.parametrize("texts", [3, 20, 100])
def test_pairs_take_every_picture_and_every_text_once(texts):
    alone, together = combined.batch_counts(20, texts)
    assert together < alone == min(20, texts)
    for turns in (alone, together):
        pictures, captions = zip(*combined.pairs(20, texts, turns), strict=True)
        assert np.concatenate(pictures).tolist() == list(range(20))
        assert np.concatenate(captions).tolist() == list(range(texts))
        assert min(map(len, [*pictures, *captions])) > 0


def test_the_worse_side_counts():
    sides = [
        {"inputs": 3, "cosine_min": 0.9, "snr_db": 20.0},
        {"inputs": 2, "cosine_min": 0.8, "snr_db": 30.0},
    ]
    assert combined.worst(sides) == {"inputs": 5, "cosine_min": 0.8, "snr_db": 20.0}


def test_pixels_that_are_no_numbers_are_off(file, monkeypatch):
    monkeypatch.setattr(File, "run", lambda self, batches: np.full((2, 3, SIDE, SIDE), np.nan))
    with np.errstate(invalid="ignore"):
        metrics, *_ = measured.measure(file, Truth([0, 1]), GIVEN)
    assert metrics["pixels_off"] == 1
