from dataclasses import replace

import numpy as np
import open_clip
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_onnx import openai
from clip_onnx.host import pictures
from clip_onnx.host.preparation import OPENAI
from stages.download import preparation

SIDE = 32
MODES = ["RGB", "RGBA", "L", "P", "LA", "CMYK", "1"]


@settings(max_examples=120)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    mode=st.sampled_from(MODES),
)
def test_preprocess_equals_openais_transform_at_any_size(width, height, mode):
    assume(max(width, height) <= 60 * min(width, height))  # a resized line takes gigabytes in both
    rng = np.random.default_rng([width, height])
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).convert(mode)
    expected = openai.transform(SIDE)(picture).numpy()
    np.testing.assert_array_equal(pictures.preprocess(picture, SIDE), expected)


@settings(max_examples=60)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
    resize=st.sampled_from(["shortest", "squash", "longest"]),
    mode=st.sampled_from(MODES),
)
@example(96, 3, "bicubic", "longest", "RGB")  # one row
@example(64, 3, "bicubic", "longest", "P")  # 1.5 rows
def test_preprocess_equals_open_clips_transform(width, height, interpolation, resize, mode):
    """Of what a `preprocess_cfg` can ask for, and is carried."""
    assume(max(width, height) <= (SIDE if resize == "longest" else 60) * min(width, height))
    asked = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "interpolation": interpolation}
    asked |= {"resize_mode": resize}
    theirs = open_clip.transform.PreprocessCfg(size=SIDE, **asked)
    ours = preparation.open_clip(asked | {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}, SIDE)[1]
    rng = np.random.default_rng([width, height])
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).convert(mode)
    expected = open_clip.transform.image_transform_v2(theirs, is_train=False)(picture).numpy()
    np.testing.assert_array_equal(pictures.preprocess(picture, SIDE, ours), expected)


def test_of_a_thin_picture_a_row_is_left():
    """open_clip raises; where a batch has one, the others count."""
    wanted = replace(OPENAI, resize="longest", mean=(0, 0, 0), std=(1, 1, 1))
    white = Image.new("RGB", (300, 2), (255, 255, 255))
    found = pictures.preprocess(white, SIDE, wanted)
    assert (found.sum((0, 2)) > 0).sum() == 1


def test_resizing_the_centre_alone_gives_other_pixels():
    """Why the whole is resized before it is cut: Pillow's `box` is rounded to single precision."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 997, 3), np.uint8))
    length = int(SIDE * 997 / 61)
    left = round((length - SIDE) / 2)
    whole = picture.resize((length, SIDE), Image.Resampling.BICUBIC)
    cut = np.asarray(whole.crop((left, 0, left + SIDE, SIDE)), int)
    box = left * 997 / length, 0, (left + SIDE) * 997 / length, 61
    centre = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box), int)
    assert np.abs(cut - centre).max() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_picture_that_becomes_rgb_before_it_is_resized_has_far_other_pixels(mode):
    """Why transparency and palettes go through OpenAI's order of steps."""
    noise = np.random.default_rng(0).integers(0, 256, (203, 301, 4), np.uint8)
    noise[:100, :, 3] = 0  # colours that nobody sees, and which are dropped where alpha counts
    picture = Image.fromarray(noise)
    picture = picture.convert("RGB").quantize(200) if mode == "P" else picture.convert(mode)
    converted = pictures.preprocess(picture.convert("RGB"), SIDE)
    apart = np.abs(pictures.preprocess(picture, SIDE) - converted)  # of levels, over OPENAI.std
    assert (255 * apart * np.reshape(OPENAI.std, (3, 1, 1))).max() > 100
