import copy
from pathlib import Path

import pytest
import yaml

from clip_onnx import command
from clip_onnx.settings import params

FLOOR = {"cosine_min": 0.9, "snr_db": 10.0}
SHIPPED = yaml.safe_load(Path("params.yaml").read_text())


def test_load_accepts_the_shipped_file():
    assert params.load().grid.encodings.all[0] == "fp32"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"grid": {"models": ["rn51"]}}, ["grid.models", "rn51", "tiny-rn"]),
        ({"grid": {"towers": ["visual"]}}, ["grid.towers", "unknown key"]),
        ({"grid": {"products": ["audio"]}}, ["grid.products", "audio"]),
        ({"grid": {"composed": ["int8-static"]}}, ["grid.composed", "int8-static"]),
        ({"grid": {"profiles": ["std"]}}, ["grid.profiles", "std"]),
        ({"grid": {"composed": []}}, ["grid.products and grid.composed"]),
        ({"products": {"model": {"kind": "combined"}}}, ["products.model", "taken"]),
        ({"profiles": {"int8w": {"patches": []}}}, ["profiles.int8w", "taken"]),
        ({"profiles": {"pytorch": {"patches": []}}}, ["profiles.pytorch", "taken"]),
        ({"encodings": {"pytorch": {"scheme": "none"}}}, ["encodings.pytorch", "taken"]),
        ({"noise": {"cosine": {"share": 2}}}, ["noise.cosine.share", "less than 1", "2"]),
        ({"noise": {"cosine": {"least": -1.0}}}, ["noise.cosine.least", "-1.0"]),
        ({"noise": {"accuracy": 0.1}}, ["noise.accuracy", "unknown key"]),
        ({"noise": {"top1_inputs": 0.5}}, ["noise.top1_inputs", "integer", "0.5"]),
        ({"floors": {"tiny-vit": {"image": {"pytorch": FLOOR}}}}, ["floors.tiny-vit.image"]),
        ({"grid": {"encodings": {"plain": ["int9w"]}}}, ["grid.encodings.plain", "int9w"]),
        ({"grid": {"encodings": {"plain": ["mixed"]}}}, ["grid.encodings.plain", "mixed"]),
        ({"encodings": {"int8w": {"scheme": "magic"}}}, ["encodings.int8w", "magic"]),
        ({"encodings": {"int8w": {"blok": 32}}}, ["encodings.int8w", "blok", "unknown key"]),
        ({"encodings": {"int8w": {"bits": "8"}}}, ["encodings.int8w", "bits", "'8'"]),
        ({"encodings": {"int8w": {"block": 1}}}, ["encodings.int8w", "block"]),
        ({"encodings": {"int8w": {"tensors": {"x": 9}}}}, ["encodings.int8w", "tensors.x", "9"]),
        (
            {"encodings": {"int8w": {"tensors": {"x": {"block": 4}}}}},
            ["encodings.int8w", "tensors.x.block", "8", "4"],
        ),
        ({"models": {"Tiny_ViT": {"source": "x.pt"}}}, ["models.Tiny_ViT"]),
        ({"models": {"tiny-vit": {"sha256": "abc"}}}, ["models.tiny-vit.sha256", "abc"]),
        ({"evalset": {"crops": "six"}}, ["evalset.crops", "six"]),
        ({"bundle": {"encodings": ["int2w"]}}, ["bundle.encodings", "int2w"]),
        ({"floors": {"tiny-vit": {"sideways": {}}}}, ["floors.tiny-vit", "sideways"]),
        ({"grid": {"models": []}}, ["grid.models", "at least 1"]),
        ({"profiles": {"std": {"patches": ["polish"]}}}, ["profiles.std.patches", "polish"]),
        ({"profiles": {"npu": {"length": 78}}}, ["profiles.npu.length", "77", "78"]),
        ({"profiles": {"npu": {"opset": 9}}}, ["profiles.npu.opset", "10", "9"]),
        ({"profiles": {"npu": {"opset": 24}}}, ["profiles.npu.opset", "23"]),
        ({"profiles": {"npu": {"batch": 0}}}, ["profiles.npu.batch"]),
        ({"profiles": {"npu": {"input_ids": "int16"}}}, ["profiles.npu.input_ids", "int16"]),
        ({"profiles": {"npu": {"text": "pooled"}}}, ["profiles.npu.text", "pooled", "one-hot"]),
        (
            {"profiles": {"npu": {"text": "tokens", "normalize": True}}},
            ["profiles.npu", "text: tokens", "normalize"],
        ),
        ({"profiles": {"std": {"length": 77}}}, ["profiles.std.length", "a profile of its own"]),
        ({"profiles": {"npu": {"widths": 4}}}, ["profiles.npu.widths", "unknown key"]),
        ({"evalset": {"seed": -1}}, ["evalset.seed", "-1"]),
        ({"surprise": 1}, ["surprise", "unknown key"]),
    ],
)
def test_load_names_what_is_wrong_on_one_line(tmp_path, change, names):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(merged(SHIPPED, change)))
    with pytest.raises(command.Refusal) as refusal:
        params.load(path)
    message = str(refusal.value)
    assert "\n" not in message
    for name in names:
        assert name in message


def merged(old, new):
    """`old` with the leaves of `new` put in."""
    result = copy.deepcopy(old)
    for key, value in new.items():
        deeper = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if deeper else value
    return result


def test_load_refuses_broken_yaml_and_a_missing_file_on_one_line(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(command.Refusal, match="project's root"):
        params.load(path)
    path.write_text("grid: [")
    with pytest.raises(command.Refusal) as refusal:
        params.load(path)
    assert "\n" not in str(refusal.value)
