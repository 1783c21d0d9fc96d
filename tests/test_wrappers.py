"""What people really save around and beside a CLIP's weights loads as the same model."""

import argparse
import hashlib
import json
import subprocess

import pytest
import torch
from safetensors.torch import save_file

from clip_onnx import command
from clip_onnx.openai.towers import causal_mask
from stages.download import checkpoints

import small


@pytest.fixture(scope="module")
def state(archives):
    return checkpoints.load(archives["vit"], small.sha256(archives["vit"]))


def load(path, pin=None):
    return checkpoints.load(path, pin or small.sha256(path), "quick_gelu")


def saved(folder, content):
    torch.save(content, folder / "mine.pt")
    return folder / "mine.pt"


def refusal(path, pin=None):
    with pytest.raises(command.Refusal) as caught:
        load(path, pin)
    assert str(caught.value) == command.one_line(caught.value)
    return str(caught.value)


def assert_same(read, state):
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name


def prefixed(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "clip_model.", "clip.", "model._orig_mod.module.clip."],
)
def test_names_behind_a_prefix(state, tmp_path, prefix):
    assert_same(load(saved(tmp_path, prefixed(state, prefix))), state)


def test_a_compiled_part_within_a_model(state, tmp_path):
    names = [name.replace("resblocks.0.", "resblocks.0._orig_mod.") for name in state]
    assert_same(load(saved(tmp_path, dict(zip(names, state.values(), strict=True)))), state)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_state_dict_beside_an_optimizers(state, tmp_path, key):
    steps = {"state": {0: {"exp_avg": torch.zeros(3), "step": 7}}, "param_groups": [{"lr": 0.1}]}
    content = {"epoch": 3, "optimizer": steps, key: prefixed(state, "module.")}
    assert_same(load(saved(tmp_path, content)), state)
    assert_same(load(saved(tmp_path, {"model": content} if key != "model" else content)), state)


def test_two_models_in_one_file_are_refused(state, tmp_path):
    both = {"model": state, "state_dict": state}
    assert "several state dicts (state_dict, model)" in refusal(saved(tmp_path, both))
    twice = state | {"module.ln_final.bias": state["ln_final.bias"].clone()}
    assert "it has twice ln_final.bias: save the one" in refusal(saved(tmp_path, twice))


def test_more_than_tensors_is_named_and_torchs_advice_is_not_passed_on(state, tmp_path):
    message = refusal(saved(tmp_path, {"args": argparse.Namespace(lr=1), "state_dict": state}))
    assert "it holds a argparse.Namespace" in message
    assert "weights_only" not in message and "\x1b" not in message


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_floats_become_fp32_and_it_is_said(state, tmp_path, capsys, dtype):
    given = dict(state) | {"ln_final.bias": state["ln_final.bias"].to(dtype)}
    read = load(saved(tmp_path, given))
    assert read["ln_final.bias"].dtype == torch.float32
    assert torch.equal(read["ln_final.bias"], given["ln_final.bias"].float())
    how = "widened to fp32: the same numbers" if dtype == torch.bfloat16 else "rounded to fp32"
    name = str(dtype).removeprefix("torch.")
    assert f"1 of {len(state)} tensors are {name}, {how}" in capsys.readouterr().out


def test_what_stands_beside_the_weights(state, tmp_path, capsys):
    given = dict(state) | {
        "logit_scale": state["logit_scale"].reshape(1),
        "logit_bias": torch.tensor([-10.0]),
        "attn_mask": causal_mask(77),
        "position_ids": torch.arange(77)[None],
    }
    given = {f"text.{n}" if n == "position_ids" else n: t for n, t in given.items()}
    assert_same(load(saved(tmp_path, given)), state)
    assert "its logit_bias of -10 is left out" in capsys.readouterr().out


def test_a_missing_logit_scale_is_openais_initial_one(state, tmp_path, capsys):
    given = {name: tensor for name, tensor in state.items() if name != "logit_scale"}
    read = load(saved(tmp_path, given))
    assert float(read["logit_scale"].exp()) == pytest.approx(1 / 0.07)
    assert "has no logit_scale; OpenAI's initial one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("attn_mask", torch.zeros(77, 77), "another attn_mask than OpenAI's code"),
        ("position_ids", torch.arange(77).flip(0)[None], "another position_ids than OpenAI's"),
    ],
)
def test_another_mask_or_other_positions_are_another_network(
    state, tmp_path, name, tensor, message
):
    given = state | {f"text.{name}" if name == "position_ids" else name: tensor}
    assert message.split()[1] in refusal(saved(tmp_path, given))


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ln_final.bias", lambda t: t.index_fill(0, torch.tensor([3]), NAN), "(1 of 128 NaN or"),
        ("visual.proj", lambda t: torch.full_like(t, INFINITE), "(6144 of 6144 NaN or infinite)"),
        ("ln_final.bias", lambda t: t.double() * 1e300, "(128 of 128 NaN or infinite)"),
        ("ln_final.bias", lambda t: t.int(), "no floats in ln_final.bias (int32)"),
        ("ln_final.bias", lambda t: t.to(torch.float8_e4m3fn), "ln_final.bias (float8_e4m3fn)"),
        ("ln_final.bias", lambda t: t + 0j, "ln_final.bias (complex64)"),
        ("ln_final.bias", lambda t: t[:0], "ln_final.bias has a size of zero: [0]"),
        ("\x1b[1m\nx", lambda t: t[:0], " [1m x has a size of zero: [0]"),
        ("visual.conv1.weight", lambda t: t[:0], "conv1.weight has a size of zero: [0, 3, 16"),
        ("logit_scale", lambda t: t * 0 + 89, "a logit_scale of 89: e to that is inf in fp32"),
        ("logit_scale", lambda t: t * 0 - 200, "a logit_scale of -200: e to that is 0 in fp32"),
    ],
)
def test_numbers_that_cannot_be_computed_with(state, tmp_path, name, change, message):
    given = state | {name: change(state.get(name, torch.zeros(1)).float())}
    assert message in refusal(saved(tmp_path, given))


def test_at_most_three_tensors_are_named(state, tmp_path):
    few = {n: t for n, t in state.items() if not n.startswith("transformer.resblocks.1.")}
    few["transformer.resblocks.1.ln_1.bias"] = state["ln_final.bias"]
    message = refusal(saved(tmp_path, few))
    start = "transformer.resblocks.1."
    listed = ", ".join(f"{start}{n}" for n in ("attn.in_proj_bias", "attn.in_proj_weight"))
    assert message.endswith(f"it lacks {listed}, {start}attn.out_proj.bias and 8 more")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["vision_model.head.attention.in_proj_weight", "logit_bias"], "it is SigLIP"),
        (["base_model.model.visual.proj.lora_A.weight"], "it is a LoRA adapter, which must be"),
        (["visual.trunk.stem.weight"], "an image tower of timm"),
        ([""], 'its tensors are ""'),
        (["conv.weight", "fc.weight", "a", "\x1b[1m\n"], "tensors are [1m, a, conv.weight and 1 m"),
        (["visual.proj", "text_model.head"], "names of OpenAI's CLIP and of Hugging Face's"),
        (["visual.proj"], "OpenAI's CLIP with a ViT alone and is none: it lacks visual.c"),
        (["visual.layer1.0.x"], "looks like OpenAI's CLIP with a ResNet alone and is none: it la"),
        (["ln_final.bias"], "OpenAI's CLIP with a textual tower alone and is none: it lacks pos"),
        (
            ["class_embedding", "transformer.resblocks.0.x"],
            "is the visual tower of OpenAI's CLIP without `visual.` before its tensors' names",
        ),
        (["vision_model.x", "visual_projection.weight"], "with a ViT alone and is none: it la"),
        (["text_model.x", "text_projection.weight"], "with a textual tower alone and is none: it "),
        (
            ["vision_model.x", "text_projection.weight"],
            "it lacks text_model.embeddings.position_embedding.weight, text_model.",
        ),
    ],
)
def test_other_models_are_named(tmp_path, names, message):
    assert message in refusal(saved(tmp_path, {name: torch.zeros(2) for name in names}))


def shards(state, folder):
    """The state dict in two files of a folder, with their index."""
    files = {f"model-{n + 1:05}-of-00002.safetensors": list(state)[n::2] for n in range(2)}
    for file, names in files.items():
        save_file({name: state[name].contiguous() for name in names}, folder / file)
    where = {name: file for file, names in files.items() for name in names}
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    command = "sha256sum model.safetensors.index.json model-*-of-*.safetensors | sha256sum"
    printed = subprocess.check_output(["sh", "-c", command], cwd=folder, text=True)
    return printed.split()[0]


def test_shards_are_read_by_their_index_and_pinned_together(state, tmp_path):
    digest = shards(state, tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    assert_same(load(tmp_path, digest), state)
    assert_same(load(index, digest), state)
    one = tmp_path / "model-00001-of-00002.safetensors"
    content = one.read_bytes()
    one.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "has SHA-256" in refusal(tmp_path, digest)
    one.unlink()
    assert "names model-00001-of-00002.safetensors, which its folder lacks" in refusal(index, "0")


def repinned(folder, change):
    """The pin of shards whose index was changed."""
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text("utf-8"))
    change(content["weight_map"])
    index.write_text(json.dumps(content), "utf-8")
    lines = [
        f"{small.sha256(file)}  {file.name}\n"
        for file in (index, *sorted(folder.glob("*.safetensors")))
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda where: where.pop("ln_final.bias"), "one of them lacks ln_final.bias; fetch"),
        (lambda where: where.update(new=where["ln_final.bias"]), "one of them lacks new"),
        (lambda where: where.update(new="../x.bin"), 'into "../x.bin": shards lie beside'),
        (lambda where: where.update(new=3), "puts a tensor into 3: shards lie beside"),
        (dict.clear, "has no weight_map"),
    ],
)
def test_an_index_that_does_not_fit_is_named(state, tmp_path, change, message):
    shards(state, tmp_path)
    assert message in refusal(tmp_path, repinned(tmp_path, change))


def test_a_folder_is_its_weights(state, tmp_path):
    save_file({n: t.contiguous() for n, t in state.items()}, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"another")
    assert_same(load(tmp_path, small.sha256(tmp_path / "model.safetensors")), state)
