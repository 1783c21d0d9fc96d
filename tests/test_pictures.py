import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from stages import graph, inputs, preprocessing, runtime
from stages.products import pictures, preprocess

SIDE, SHAPES = 32, [(40, 60), (32, 32), (90, 33)]
DARKER = (0.0, -0.2, -2.3)  # grey levels: none, too little for one, and two


@pytest.fixture
def folders(tmp_path):
    """(evalset, reference) of three pictures whose second and third were prepared otherwise."""
    rng = np.random.default_rng(0)
    names = [f"picture/{n}" for n in range(3)]
    tensors = {
        name: rng.integers(0, 256, (*shape, 3), np.uint8)
        for name, shape in zip(names, SHAPES, strict=True)
    }
    save_file(tensors, tmp_path / inputs.PICTURES_FILE)
    (tmp_path / "pictures.json").write_text(json.dumps([{"name": name} for name in names]))
    pixels = [preprocessing.preprocess(Image.fromarray(tensors[name]), SIDE) for name in names]
    for values, levels in zip(pixels, DARKER, strict=True):
        values[0] += np.float32(levels / 255 / preprocessing.STD[0])
    np.save(tmp_path / inputs.PIXELS_FILE, np.stack(pixels))
    return tmp_path, tmp_path


@pytest.fixture
def session(tmp_path):
    graph.save(preprocess.build(SIDE), tmp_path)
    return runtime.session(tmp_path)


def test_pixels_is_nothing_for_the_reference_s_own(folders, session):
    found = pictures.pixels(session, *folders, [0, 1])
    assert found == {"inputs": 2, "pixels_off": 0.0, "pixels_max": 0}


def test_pixels_is_that_of_the_worst_picture(folders, session):
    """A third of its values, the red ones, are two grey levels off."""
    found = pictures.pixels(session, *folders, [2, 0, 1])
    assert found == {"inputs": 3, "pixels_off": pytest.approx(1 / 3), "pixels_max": 2}


def test_embeds_are_those_of_the_pictures_in_the_order_of_the_rows(folders, session):
    """Here of a graph whose embeddings are the pixels."""
    embeds = pictures.embeds(session, folders[0], [1, 0])
    reference = inputs.pixels(folders[1], [1, 0])
    assert pictures.grey_levels(reference, embeds).max() == 0
    assert pictures.grey_levels(reference[::-1], embeds).max() > 50
