import json
import os
import shutil
import subprocess
import sys

import configurations
import pytest
import torch
from safetensors.torch import save_file

from clip_onnx import command, openai
from clip_onnx.openai import archive
from stages.download import checkpoints

import small
from small import sha256


def test_load_gives_the_weights_as_stored(archives):
    state = checkpoints.load(archives["vit"], sha256(archives["vit"]))
    assert state["token_embedding.weight"].dtype == torch.float32
    assert state["visual.transformer.resblocks.0.attn.in_proj_weight"].dtype == torch.float16
    assert state["visual.ln_pre.weight"].dtype == torch.float32
    assert not set(archive.BOOKKEEPING) & set(state)


def test_openais_own_loader_takes_the_archive(archives):
    for kind in ("vit", "rn"):
        model, _ = openai.load(str(archives[kind]), device="cpu", jit=False)
        assert model.visual.input_resolution == 64


def test_write_archive_writes_the_same_bytes_and_no_paths(tmp_path):
    program = "import small, sys; small.write_checkpoint('rn', sys.argv[1])"
    paths = [tmp_path / folder / "rn.pt" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        environment = {**os.environ, "PYTHONPATH": f"{small.ROOT}:{small.ROOT / 'tests'}"}
        subprocess.run([sys.executable, "-c", program, path], check=True, env=environment)
    assert sha256(paths[0]) == sha256(paths[1])
    assert b"site-packages" not in paths[0].read_bytes()


def refusal(path, pin=None):
    """The message with which a file is refused, pinned to `pin` or to its own digest."""
    with pytest.raises(command.Refusal) as caught:
        checkpoints.load(path, pin or sha256(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load_refuses_a_file_without_a_pin_and_names_the_digest(archives):
    with pytest.raises(command.Refusal, match=f"not pinned.*{sha256(archives['vit'])}"):
        checkpoints.load(archives["vit"], None)


def test_load_names_both_digests(archives):
    message = refusal(archives["vit"], "0" * 64)
    assert sha256(archives["vit"]) in message
    assert "0" * 64 in message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.pt", "nowhere.pt cannot be read (No such file"),
        ("a.pt/b.pt", "a.pt/b.pt cannot be read (Not a directory)"),
        ("pipe", "pipe is no file and no folder"),
        (".", ". holds none of model.safetensors, "),
    ],
)
def test_load_names_a_file_that_cannot_be_read(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").touch()
    os.mkfifo("pipe")
    assert message in refusal(path, "0" * 64)


def test_load_refuses_a_truncated_file(archives, tmp_path):
    short = tmp_path / "short.pt"
    short.write_bytes(archives["vit"].read_bytes()[:-1000])
    assert "truncated" in refusal(short)


@pytest.mark.parametrize("content", [[torch.zeros(3)], {1: torch.zeros(3)}, {"a": 1}])
def test_load_refuses_what_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    assert "no state dict" in refusal(tmp_path / "other.pt")


def renamed(state):
    state["extra.weight"] = state.pop("ln_final.bias")


def changed(name, change):
    def apply(state):
        state[name] = change(state[name])

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.clear, "holds no state dict"),
        (lambda s: [s.pop(n) for n in list(s) if n != "logit_scale"], "tensors are logit_scale"),
        (renamed, "looks like OpenAI's CLIP with a ViT and is none: it lacks ln_final.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "it has an unknown extra"),
        (changed("ln_final.bias", lambda t: t[:7]), "a wrong shape has ln_final.bias"),
        (changed("visual.conv1.weight", lambda t: t[0]), "conv1.weight has 3 dimensions, a CLIP"),
        (changed("positional_embedding", lambda t: t[:7]), "it reads 7 tokens at once, too few"),
        (
            changed("token_embedding.weight", lambda t: t[:100]),
            "knows 100 tokens, CLIP 49408: put its tokenizer.json",
        ),
        (changed("token_embedding.weight", lambda t: t[:, :40]), "a wrong shape has ln_final.bias"),
        (changed("visual.positional_embedding", lambda t: t[:-2]), "square grid"),
    ],
)
def test_load_says_why_a_state_dict_is_no_clip(archives, tmp_path, change, message):
    state = checkpoints.load(archives["vit"], sha256(archives["vit"]))
    change(state)
    torch.save(state, tmp_path / "other.pt")
    assert message in refusal(tmp_path / "other.pt")


def test_load_takes_safetensors_with_openais_names(archives, tmp_path):
    state = checkpoints.load(archives["rn"], sha256(archives["rn"]))
    path = tmp_path / "rn.safetensors"
    save_file(state, path)
    read = checkpoints.load(path, sha256(path), "quick_gelu")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)
    path.write_bytes(path.read_bytes()[:-1])
    assert "truncated or damaged" in refusal(path)


def test_load_runs_no_code_of_a_state_dict(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"visual.proj": Trap()}, tmp_path / "trap.pt")
    assert "cannot be loaded" in refusal(tmp_path / "trap.pt")


GELU_TEXT = configurations.changed(configurations.CONFIG, "text_config.hidden_act", "gelu")


@pytest.mark.parametrize(
    ("beside", "activation", "message"),
    [
        ({"text_config": {"hidden_act": "relu"}}, None, "hidden_act in text_config of config.json"),
        (GELU_TEXT, "quick_gelu", "activation in params.yaml is qui"),
    ],
)
def test_what_lies_beside_an_archive_counts_as_of_any_file(
    archives, tmp_path, beside, activation, message
):
    path = shutil.copy(archives["vit"], tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"} | beside), "utf-8")
    with pytest.raises(command.Refusal, match=message):
        checkpoints.read(path, sha256(path), activation)


def test_an_archive_of_another_activation_is_open_clips(archives):
    path = archives["vit"]
    assert checkpoints.read(path, sha256(path))[1].family == "openai"
    assert checkpoints.read(path, sha256(path), "gelu")[1].family == "open_clip"
