"""What is read of how a checkpoint wants its pictures, and what is refused."""

import json
from dataclasses import replace

import pytest
from preparations import HALVES, KINDS, LONGEST, SIDE, SQUASHED

from clip_onnx import command
from clip_onnx.host import preparation, preprocessor
from clip_onnx.host.preparation import OPENAI, Preparation
from stages.download.preparation import beside

HALF = Preparation(HALVES, HALVES)
SQUARE = {"height": SIDE, "width": SIDE}
BOTH_EDGES = {"shortest_edge": SIDE, "longest_edge": SIDE}
OF_HALVES = {"image_mean": [*HALVES], "image_std": [*HALVES]}


def read(folder, content, name="preprocessor_config.json"):
    """What `beside` makes of a file beside a checkpoint."""
    (folder / name).write_text(json.dumps(content), "utf-8")
    return beside(folder / "model.safetensors", SIDE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, OPENAI),
        (OF_HALVES, HALF),
        ({"image_mean": 0.5, "image_std": 0.5}, HALF),
        ({"image_mean": [0.48145467042922974, 0.4578275, 0.40821073]}, OPENAI),  # of fp32
        ({"do_normalize": False}, Preparation((0, 0, 0), (1, 1, 1))),
        ({"resample": 2}, replace(OPENAI, interpolation="bilinear")),
        ({"size": SIDE, "crop_size": SIDE}, OPENAI),
        ({"size": {"shortest_edge": SIDE}, "crop_size": SQUARE}, OPENAI),
        ({"size": SQUARE, "do_center_crop": False}, replace(OPENAI, resize="squash")),
        (OF_HALVES | {"size": SQUARE, "do_center_crop": False, "crop_size": 224}, SQUASHED[0]),
        (OF_HALVES | {"resample": 2, "size": BOTH_EDGES}, LONGEST),
        ({"size": SQUARE, "crop_size": SQUARE}, replace(OPENAI, resize="squash")),
        ({"size": None, "do_pad": False, "processor_class": "CLIPProcessor"}, OPENAI),
        (OF_HALVES | {"size": SQUARE, "do_center_crop": False, "resample": 2}, SQUASHED[1]),
    ],
)  # fmt: skip
def test_what_hugging_face_says_is_carried(tmp_path, content, expected):
    assert read(tmp_path, content) == expected
    assert read(tmp_path, {"image_processor": content}, "processor_config.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds [], no object"),
        ({"do_resize": False}, "do_resize is false, possible is true"),
        ({"do_rescale": False}, "do_rescale is false, possible is true"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is 0.00784"),
        ({"do_center_crop": False}, 'possible is true, or false with a size of {"height": 64'),
        ({"do_center_crop": 1}, "do_center_crop is 1, possible is true or false"),
        ({"do_pad": True}, "do_pad is true, possible is false"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order is true, possible is false"),
        ({"resample": 1}, "resample is 1, possible is 3 (bicubic) or 2 (bilinear)"),
        ({"resample": "lanczos"}, 'resample is "lanczos", possible is 3'),
        ({"size": 72}, "size is 72, possible is 64"),
        ({"size": {"shortest_edge": 72}}, 'size is {"shortest_edge": 72}, possible is 64'),
        ({"size": {"height": 64, "width": 72}}, "possible is 64"),
        ({"size": {"shortest_edge": 64, "longest_edge": 80}}, "possible is 64"),
        ({"size": {"shortest_edge": 72, "longest_edge": 72}}, "possible is 64"),
        ({"size": {"shortest_edge": True, "longest_edge": 1}}, "possible is 64"),
        ({"size": {"longest_edge": 64}}, "possible is 64"),
        (
            {"size": BOTH_EDGES, "do_center_crop": False},
            "do_center_crop is false, possible is true",
        ),
        ({"crop_size": 224}, "crop_size is 224, possible is 64"),
        ({"image_mean": [0.5, 0.5]}, "image_mean is [0.5, 0.5], possible is -10000 to 10000"),
        ({"image_std": [0, 1, 1]}, "image_std is [0, 1, 1], possible is 0.0001 to 10000"),
        ({"image_std": float("nan")}, "NaN is no number of JSON's"),
        ({"image_processor_type": "ViTImageProcessor"}, "possible is CLIPImageProcessor"),
    ],
)
def test_what_hugging_face_says_and_cannot_be_carried_is_refused(tmp_path, content, message):
    with pytest.raises(command.Refusal) as caught:
        read(tmp_path, content)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(tmp_path / "preprocessor_config.json") in str(caught.value)


OPEN_CLIP = "open_clip_config.json"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"size": SIDE, "mode": "RGB", "mean": HALVES, "std": HALVES}, HALF),
        ({"resize_mode": "squash", "fill_color": 0}, replace(OPENAI, resize="squash")),
        ({"interpolation": "bilinear"}, replace(OPENAI, interpolation="bilinear")),
        ({"interpolation": "random", "mean": None, "size": [SIDE, SIDE]}, OPENAI),
        ({"resize_mode": "longest", "fill_color": 0}, replace(OPENAI, resize="longest")),
        ({"resize_mode": "longest", "fill_color": 255}, "fill_color is 255, possible is 0"),
        ({"resize_mode": "other"}, 'resize_mode is "other", possible is shortest or squash or'),
        ({"mode": "L"}, 'preprocess_cfg.mode is "L", possible is RGB'),
        ({"size": 224}, "preprocess_cfg.size is 224, possible is 64"),
        ({"std": 0}, "preprocess_cfg.std is 0, possible is 0.0001"),
        (3, "open_clip_config.json is 3, no object"),
    ],
)  # fmt: skip
def test_what_open_clip_says_is_carried_or_refused(tmp_path, content, expected):
    if isinstance(expected, str):
        with pytest.raises(command.Refusal) as caught:
            read(tmp_path, {"preprocess_cfg": content}, OPEN_CLIP)
        assert expected in str(caught.value)
    else:
        assert read(tmp_path, {"preprocess_cfg": content}, OPEN_CLIP) == expected


def test_files_that_contradict_each_other_are_refused(tmp_path):
    assert read(tmp_path, {"preprocess_cfg": {"mean": HALVES, "std": HALVES}}, OPEN_CLIP) == HALF
    assert read(tmp_path, OF_HALVES) == HALF
    with pytest.raises(command.Refusal, match="ask for different pictures"):
        read(tmp_path, {})


def test_files_beside_what_a_link_leads_to_count(linked):
    folder, link = linked
    read(folder, OF_HALVES)
    assert beside(link, SIDE) == HALF
    assert read(link.parent, {"resample": 2}).interpolation == "bilinear"  # the link's go first


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 10**5])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    (tmp_path / "preprocessor_config.json").write_bytes(content)
    with pytest.raises(command.Refusal, match=r"preprocessor_config\.json is no JSON, mend or"):
        beside(tmp_path / "model.safetensors", SIDE)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / OPEN_CLIP).mkdir()
    with pytest.raises(command.Refusal, match="cannot be read"):
        beside(tmp_path, SIDE)


@pytest.mark.parametrize("wanted", [OPENAI, *KINDS])
def test_a_preparation_comes_back_from_every_place_it_is_kept(tmp_path, wanted):
    preparation.write(tmp_path, wanted)
    assert preparation.read(tmp_path) == wanted
    assert [file.name for file in tmp_path.iterdir()] == ["preparation.json"] * (wanted != OPENAI)
    assert preparation.described(preparation.description(SIDE, wanted)) == (SIDE, wanted)
    assert preprocessor.read(preprocessor.written(SIDE, wanted)) == (SIDE, wanted)
