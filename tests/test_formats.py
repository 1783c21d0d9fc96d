"""Fine-tuned CLIPs as Hugging Face and open_clip save them."""

import json
import shutil

import configurations
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clip_onnx import command, openai
from clip_onnx.checkpoint import weights
from clip_onnx.openai import models
from stages.download import checkpoints

import small

POSITION_IDS = [f"{tower}_model.embeddings.position_ids" for tower in ("vision", "text")]
SMALL = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 48,
}


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """(a random `transformers.CLIPModel`, the folder it is saved in)."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**SMALL, "eos_token_id": 49407},
        vision_config={**SMALL, "image_size": 64, "patch_size": 16},
        projection_dim=48,
    )
    model = CLIPModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # norms and biases too
    folder = tmp_path_factory.mktemp("hugging_face")
    model.save_pretrained(folder)
    return model, folder


@pytest.fixture
def copied(hugging_face, tmp_path):
    """The folder's files, to be changed."""
    return shutil.copytree(hugging_face[1], tmp_path / "copied")


def load(path, activation=None):
    return checkpoints.load(path, small.sha256(path), activation)


def refusal(path, activation=None):
    with pytest.raises(command.Refusal) as caught:
        load(path, activation)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_transformers_computes_the_same(hugging_face, tmp_path):
    """Another implementation, on the weights it saved itself, in fp32."""
    model, folder = hugging_face
    state = load(folder / "model.safetensors")
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / weights.FILE)
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    ids = openai.tokenize(["a cat", "", "a very long tail of words"])
    with torch.inference_mode():
        output = model(input_ids=ids, pixel_values=pixels)
        towers = {"visual": (pixels, output.image_embeds), "textual": (ids, output.text_embeds)}
        for tower, (batch, theirs) in towers.items():
            ours = models.embed(tmp_path, tower, [batch])
            ours = ours / ours.norm(dim=-1, keepdim=True)  # as CLIPModel returns them
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert state["logit_scale"] == model.logit_scale


def test_every_tensor_is_accounted_for(hugging_face, archives):
    _, folder = hugging_face
    state = load(folder / "model.safetensors")
    assert state.keys() == checkpoints.load(archives["vit"], small.sha256(archives["vit"])).keys()
    stored = load_file(folder / "model.safetensors")
    assert sum(t.numel() for t in state.values()) == sum(t.numel() for t in stored.values())


def test_pytorch_files_with_position_ids_are_the_same_model(copied):
    expected = load(copied / "model.safetensors")
    stored = load_file(copied / "model.safetensors")
    stored |= {name: torch.arange(77)[None] for name in POSITION_IDS}
    torch.save(stored, copied / "pytorch_model.bin")
    read = load(copied / "pytorch_model.bin")
    assert read.keys() == expected.keys()
    assert all(torch.equal(read[name], expected[name]) for name in read)


@pytest.mark.parametrize(
    "name",
    [
        "vision_model.encoder.layers.1.mlp.fc2.bias",
        "vision_model.pre_layrnorm.weight",
        "text_model.final_layer_norm.bias",
    ],
)
def test_missing_tensors_are_named_as_the_file_would(copied, name):
    state = load_file(copied / "model.safetensors")
    del state[name]
    save_file(state, copied / "model.safetensors")
    assert refusal(copied / "model.safetensors").endswith(f"it lacks {name}")


def test_an_incomplete_attention_is_named(copied):
    state = load_file(copied / "model.safetensors")
    del state["text_model.encoder.layers.0.self_attn.k_proj.bias"]
    save_file(state, copied / "model.safetensors")
    expected = "it lacks text_model.encoder.layers.0.self_attn.{q,k,v}_proj.bias"
    assert refusal(copied / "model.safetensors").endswith(expected)


def test_extra_tensors_are_named(copied):
    state = load_file(copied / "model.safetensors") | {"text_model.head.weight": torch.zeros(2)}
    save_file(state, copied / "model.safetensors")
    assert "it has an unknown text_model.head.weight" in refusal(copied / "model.safetensors")


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        (
            "text_config",
            {"hidden_act": "relu"},
            'hidden_act in text_config of config.json is "relu"',
        ),
        (
            "vision_config",
            {"hidden_act": "gelu"},
            "the configuration beside it says gelu of the visual tower",
        ),
        (
            "vision_config",
            {"num_attention_heads": 3},
            "config.json is 3, OpenAI's code has 2, 64 wide each",
        ),
    ],
)
def test_another_network_is_refused_by_its_configuration(copied, section, change, message):
    config = json.loads((copied / "config.json").read_text("utf-8"))
    config[section] |= change
    (copied / "config.json").write_text(json.dumps(config), "utf-8")
    assert message in refusal(copied / "model.safetensors", "quick_gelu")


def test_a_broken_configuration_is_named(copied):
    (copied / "config.json").write_text("{", "utf-8")
    assert "config.json is no JSON" in refusal(copied / "model.safetensors")


def test_without_a_configuration_the_activation_must_be_stated(copied):
    (copied / "config.json").unlink()
    assert "add `activation: quick_gelu`" in refusal(copied / "model.safetensors")
    assert "activation in params.yaml is gelu, OpenAI's code computes quick_gelu" in refusal(
        copied / "model.safetensors", "gelu"
    )
    assert load(copied / "model.safetensors", "quick_gelu")


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_open_clips_training_checkpoint(archives, tmp_path, kind):
    state = checkpoints.load(archives[kind], small.sha256(archives[kind]))
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": wrapped}, tmp_path / "epoch_3.pt")
    assert "does not say which activation" in refusal(tmp_path / "epoch_3.pt")
    read = load(tmp_path / "epoch_3.pt", "quick_gelu")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


OPEN_CLIP = configurations.OPEN_CLIP["model_cfg"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            OPEN_CLIP | {"vision_cfg": OPEN_CLIP["vision_cfg"] | {"head_width": 80}},
            "head_width in vision_cfg of open_clip_config.json is 80, OpenAI",
        ),
        (
            {"vision_cfg": OPEN_CLIP["vision_cfg"]},
            "the configuration beside it has no text_cfg: add it",
        ),
        (OPEN_CLIP, None),
    ],
)
def test_open_clips_configuration_is_read(archives, tmp_path, model, message):
    state = checkpoints.load(archives["vit"], small.sha256(archives["vit"]))
    save_file(state, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}), "utf-8")
    if message:
        assert message in refusal(tmp_path / "open_clip_model.safetensors")
    else:
        assert load(tmp_path / "open_clip_model.safetensors").keys() == state.keys()


@pytest.mark.slow
def test_a_fine_tuned_model_goes_through_the_pipeline(copied, workspace):
    """From a Hugging Face folder to a measured file; weights that half precision cannot hold."""
    path = copied / "model.safetensors"
    content = small.params({"mine": path})
    pictures = workspace / "pictures"
    pictures.mkdir()
    for index in range(4):
        Image.effect_noise((80, 80), 64 + index).convert("RGB").save(pictures / f"{index}.png")
    small.write_params(workspace, content)
    small.run_stage("evalset", "pictures", "stages/evalset/captions.txt", "data/evalset")
    small.build("mine")
    state = load_file(path)
    table = state["text_model.embeddings.token_embedding.weight"]
    assert not torch.equal(table, table.half().float())
    for tower in ("visual", "textual"):
        file = ("--file", f"data/models/mine/{tower}/fp32", f"{tower}.json")
        small.run_stage("evaluate", "data/reference/mine", "data/checkpoints/mine", *file)
        metrics = json.loads((workspace / f"{tower}.json").read_text("utf-8"))
        assert metrics["metrics"]["cosine_min"] > 0.999999
