import copy
import itertools
import math
from pathlib import Path

import pytest
import yaml

from clip_onnx import command
from clip_onnx.settings import params

FLOOR = {"cosine_min": 0.9, "snr_db": 10.0}
SHIPPED = yaml.safe_load(Path("params.yaml").read_text("utf-8"))


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
        (
            {"grid": {"encodings": {"plain": ["mixed"], "by_sensitivity": []}}},
            ["grid.encodings.plain", "mixed"],
        ),
        (
            {"grid": {"encodings": {"plain": ["fp32", "int8w"]}}},
            ["grid.encodings", "'int8w' is in plain and in by_sensitivity"],
        ),
        (
            {"encodings": {"mixed": {"target_cosine": {"visual": 0.9}}}},
            ["encodings.mixed", "target_cosine", "textual"],
        ),
        (
            {"encodings": {"mixed": {"models": {"tiny-vti": 0.9}}}},
            ["encodings.mixed.models", "'tiny-vti' is not among", "tiny-vit"],
        ),
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
        (
            {"models": {"x": {"source": "x.pt", "beside": {"config.json": None}}}},
            ["models.x: beside is for addresses"],
        ),
        (
            {"models": {"x": {"source": "https://a/x.pt", "beside": {"config.json": "abc"}}}},
            ["models.x.beside.config.json", "abc"],
        ),
        (
            {"models": {"x": {"source": "https://a/x.pt", "beside": {"readme.md": None}}}},
            ["models.x.beside.readme.md", "config.json", "vocab.json"],
        ),
        (
            {"models": {"x": {"source": "x.pt", "activation": "gelu", "open_clip": "ViT-B-32"}}},
            ["models.x", "activation", "take it out"],
        ),
        ({"models": {"tiny-vit": {"sha256": "abc"}}}, ["models.tiny-vit.sha256", "abc"]),
        ({"evalset": {"crops": "six"}}, ["evalset.crops", "six"]),
        ({"bundle": {"encodings": ["int2w"]}}, ["bundle.encodings", "int2w"]),
        ({"floors": {"tiny-vit": {"sideways": {}}}}, ["floors.tiny-vit", "sideways"]),
        ({"default_floors": {"visual": {"int2w": FLOOR}}}, ["default_floors.visual", "int2w"]),
        ({"grid": {"models": []}}, ["grid.models", "at least 1"]),
        ({"profiles": {"std": {"patches": ["polish"]}}}, ["profiles.std.patches", "polish"]),
        ({"profiles": {"npu": {"length": 1025}}}, ["profiles.npu.length", "1024", "1025"]),
        ({"profiles": {"npu": {"opset": 9}}}, ["profiles.npu.opset", "10", "9"]),
        ({"profiles": {"npu": {"opset": 24}}}, ["profiles.npu.opset", "23"]),
        ({"profiles": {"npu": {"batch": 0}}}, ["profiles.npu.batch"]),
        ({"profiles": {"npu": {"input_ids": "int16"}}}, ["profiles.npu.input_ids", "int16"]),
        ({"profiles": {"npu": {"text": "pooled"}}}, ["profiles.npu.text", "pooled", "one-hot"]),
        (
            {"profiles": {"npu": {"text": "tokens", "normalize": True}}},
            ["profiles.npu", "text: tokens", "normalize"],
        ),
        ({"profiles": {"std": {"length": 77}}}, ["profiles.std.length", "another profile"]),
        ({"profiles": {"npu": {"widths": 4}}}, ["profiles.npu.widths", "unknown key"]),
        ({"evalset": {"seed": -1}}, ["evalset.seed", "-1"]),
        ({"surprise": 1}, ["surprise", "unknown key"]),
        (
            {"grid": {"models": ["tiny-vit", "tiny-vit"]}},
            ["grid.models", "'tiny-vit' is there twice"],
        ),
        (
            {"grid": {"models": ["mine"], "resnets": []}, "models": {"mine": {"source": "x.pt"}}},
            ["floors", "mine: {}"],
        ),
        ({"models": {"--help": {"source": "x.pt"}}}, ["models.--help"]),
        ({"models": {"$(touch PWN)": {"source": "x.pt"}}}, ["models.$(touch PWN)"]),
        ({"models": {"a; touch PWN": {"source": "x.pt"}}}, ["models.a; touch PWN"]),
        ({"evalset": {"images": "/tmp/o'brien"}}, ["evalset.images", '"\'"', "rename", "link"]),
        ({"evalset": {"images": "x'; touch PWN; '"}}, ["evalset.images", '"\'"']),
        ({"evalset": {"images": "a\nb"}}, ["evalset.images", "'\\n'"]),
        ({"evalset": {"captions": "--help"}}, ["evalset.captions", "'-'"]),
        ({"evalset": {"captions": ""}}, ["evalset.captions", "'nothing'"]),
        ({"floors": {"tiny-vit": {"visual": {"fp32": FLOOR | {"snr_db": math.nan}}}}}, ["snr_db"]),
        ({"evalset": {"crops": 10**9}}, ["evalset.crops", "1000"]),
    ],
)
def test_load_names_what_is_wrong_on_one_line(tmp_path, change, names):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(merged(SHIPPED, change)), "utf-8")
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
    path.write_text("grid: [", "utf-8")
    with pytest.raises(command.Refusal) as refusal:
        params.load(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# sch\xf6n".encode("latin-1"), "line 1 is not UTF-8 (0xf6): save it as UTF-8"),
        ("grid: 1".encode("utf-16"), "is not UTF-8"),
        (b"day: 2026-02-30", "day is out of range"),
        (b"n: " + b"9" * 5000, "5000 digits"),
        (b"n: " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"grid: 1\ngrid: 2", "'grid' is there twice"),
        (b"? [a, b]\n: 1", "unhashable"),
        (b"a: &a [*a]", "inside what it names"),
        (b"a: &a [x,x,x,x,x,x]\n" + "".join(
            f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old}]\n"
            for old, new in itertools.pairwise("abcdefghi")
        ).encode(), "stands for more than"),
        (b"a: \x01", "special characters are not allowed"),
        *((f"n: !!{tag}".encode(), "does not fit its value") for tag in (
            "int ''", "int '-'", "float ''", "timestamp x", "bool x", "map [1]"
        )),
        (b"", "valid dictionary"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plain_yaml_is_refused_on_one_line(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(command.Refusal) as refusal:
        params.load(path)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "models: {x: 'https://alice:s3cret@host/x.pt?signature=y'}",
        "models: {x: {source: ['https://alice:s3cret@host/x.pt']}}",
        'models:\n  x:\n    source: "https://alice:s3cret@host/x.pt\n',
        "models: {x: {source: https://alice:s3cret@host/x.pt, a: ]}}",
    ],
)
def test_no_message_has_an_address_with_its_password(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(command.Refusal) as refusal:
        params.load(path)
    assert not any(secret in str(refusal.value) for secret in ("alice", "s3cret", "signature"))


@pytest.mark.parametrize("path", ["/data/süß pictures/a,b=c@~()&#%.txt", "../x"])
def test_paths_that_a_shell_takes_are_taken(tmp_path, path):
    content = merged(SHIPPED, {"evalset": {"images": path, "captions": path}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), "utf-8")
    assert params.load(tmp_path / "params.yaml").evalset.images == path


def test_a_floor_is_the_models_own_or_the_default():
    def floor(cosine):
        return params.Floor(cosine_min=cosine, snr_db=10)

    own, default = floor(0.9), floor(0.8)
    settings = params.load().model_copy(
        update={
            "floors": {"mine": {"visual": {"int8w": own}}, "theirs": {}},
            "default_floors": {"visual": {"int8w": default, "fp32": default}},
        }
    )
    assert settings.floor("mine", "visual", "int8w") == own
    assert settings.floor("mine", "visual", "fp32") == default
    assert settings.floor("theirs", "visual", "int8w") == default
    assert settings.floor("theirs", "textual", "int8w") is None


def test_a_resnets_visual_tower_is_in_no_encoding_that_has_no_convolutions():
    settings = params.load()
    grid = settings.grid
    resident = {name for name, one in settings.encodings.items() if one.scheme == "resident"}
    assert resident & {*grid.encodings.of_both_towers}
    for model in grid.models:
        for tower in ("visual", "textual"):
            convolves = tower == "visual" and model in grid.resnets
            assert bool(resident & {*grid.variants(model, tower)}) != convolves
