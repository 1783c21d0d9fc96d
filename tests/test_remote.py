"""Checkpoints at addresses, with files beside them: pinned, not pinned, and those that ship."""

import json

import networks
import open_clip
import pytest
import yaml

from clip_onnx import command
from clip_onnx.checkpoint import network
from clip_onnx.checkpoint.network import GELU, Blocks
from clip_onnx.settings import params

import file_server
import small

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
PREPARED = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
READY = {  # model of params.yaml -> name and tag in open_clip's registry
    "laion-vit-b-32": ("ViT-B-32", "laion2b_s34b_b79k"),
    "laion-vit-b-16": ("ViT-B-16", "laion2b_s34b_b88k"),
    "laion-vit-l-14": ("ViT-L-14", "laion2b_s32b_b82k"),
    "laion-vit-h-14": ("ViT-H-14", "laion2b_s32b_b79k"),
    "laion-vit-bigg-14": ("ViT-bigG-14", "laion2b_s39b_b160k"),
    "metaclip-vit-b-32": ("ViT-B-32", "metaclip_400m"),
    "metaclip-vit-h-14": ("ViT-H-14-quickgelu", "metaclip_fullcc"),
    "dfn-vit-b-16": ("ViT-B-16", "dfn2b"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint of open_clip's that OpenAI's code cannot compute, with its configuration."""
    folder = tmp_path_factory.mktemp("clip")
    networks.save_open_clip(networks.OPEN_CLIP, folder)
    content = json.loads((folder / CONFIG).read_text("utf-8")) | {"preprocess_cfg": PREPARED}
    (folder / CONFIG).write_text(json.dumps(content), "utf-8")
    return folder


@pytest.fixture
def server(monkeypatch, folder):
    with file_server.running(monkeypatch) as found:
        for path in folder.iterdir():
            found.files[f"/a/{path.name}?signature=x"] = path.read_bytes()
        yield found


def download(workspace, server, **entry):
    """Run the stage on the server's checkpoint; `entry` is more of what params.yaml says of it."""
    content = small.params({})
    source = f"{server.url}/a/{WEIGHTS}?signature=x"
    content["models"] = {"mine": {"source": source, **entry}}
    content["grid"]["models"] = ["mine"]
    content["floors"] = {"mine": {}}
    small.write_params(workspace, content)
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")


def refused(workspace, server, **entry):
    with pytest.raises(command.Refusal) as caught:
        download(workspace, server, **entry)
    assert not (workspace / "data/checkpoints/mine").exists()
    return file_server.one_line(caught.value)


def pins(folder):
    return {
        "sha256": small.sha256(folder / WEIGHTS),
        "beside": {CONFIG: small.sha256(folder / CONFIG)},
    }


def test_what_lies_beside_the_weights_says_what_is_built(workspace, server, folder):
    download(workspace, server, **pins(folder))
    checkpoint = workspace / "data/checkpoints/mine"
    found = network.read(checkpoint)
    assert (found.family, found.blocks["visual"]) == ("open_clip", Blocks(GELU, head_width=12))
    assert json.loads((checkpoint / "preparation.json").read_text("utf-8"))["mean"] == [0.5] * 3
    assert [*(workspace / "data/downloads").iterdir()] == []


def test_what_is_not_pinned_is_fetched_once_and_its_pins_are_said(workspace, server, folder):
    said = refused(workspace, server, beside={CONFIG: None})
    assert said.startswith("http://127.0.0.1") and "models.mine" in said
    entry = yaml.safe_load(
        "{" + said.split("params.yaml ")[1].replace(" and beside", ", beside") + "}"
    )
    assert entry == pins(folder)
    asked = len(server.requests)
    download(workspace, server, **entry)
    assert len(server.requests) == asked == 2


def test_another_pin_than_that_of_what_lies_there_fetches_it_anew(workspace, server, folder):
    right = pins(folder)
    assert "is not pinned" in refused(workspace, server, beside={CONFIG: None})
    said = refused(workspace, server, **right | {"beside": {CONFIG: "0" * 64}})
    assert f"/a/{CONFIG} has SHA-256 {right['beside'][CONFIG]}, params.yaml pins 000" in said
    download(workspace, server, **right)


def test_what_is_named_no_more_is_not_read(workspace, server, folder):
    server.files["/a/preprocessor_config.json?signature=x"] = b'{"do_center_crop": false}'
    wanted = {CONFIG: None, "preprocessor_config.json": None}
    assert "preprocessor_config.json: " in refused(workspace, server, beside=wanted)
    download(workspace, server, **pins(folder))


def test_what_a_killed_run_left_is_not_gone_on_with_without_a_pin(workspace, server, folder):
    assert "is not pinned" in refused(workspace, server)
    (weights,) = (workspace / "data/downloads").glob("*/weights")
    weights.rename(weights.with_name("weights.part")).write_bytes(b"of another file")
    assert pins(folder)["sha256"] in refused(workspace, server)


def test_a_file_that_is_not_there_is_named(workspace, server, folder):
    server.files["/a/vocab.json?signature=x"] = None
    wanted = pins(folder)["beside"] | {"vocab.json": None}
    said = refused(workspace, server, beside=wanted)
    assert "/a/vocab.json answers with status 404: correct `source` or `beside`" in said


@pytest.mark.parametrize("name", READY)
def test_ready_entries_are_of_open_clips_registry(name):
    model, found = params.load().models[name], open_clip.pretrained.get_pretrained_cfg(*READY[name])
    if model.beside:
        folder = f"https://huggingface.co/{found['hf_hub']}resolve/main"
        assert model.source == f"{folder}/{open_clip.constants.HF_WEIGHTS_NAME}"
        assert [*model.beside] == [open_clip.constants.HF_CONFIG_NAME]
    else:
        assert model.source == found["url"]
        assert model.open_clip in open_clip.list_models()
        config = open_clip.get_model_config(model.open_clip)
        assert config.get("quick_gelu", False) == found["quick_gelu"]


def test_every_model_without_a_pin_is_one_of_these():
    unpinned = {name for name, model in params.load().models.items() if model.sha256 is None}
    assert unpinned == {*READY}
