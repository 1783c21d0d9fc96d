import os
import subprocess
import sys

import pytest
import torch

from stages import checkpoint, command, openai

import small
from small import sha256


def test_read_gives_the_weights_as_stored(archives):
    state = checkpoint.read(archives["vit"], pinned=True)
    assert state["token_embedding.weight"].dtype == torch.float32
    assert state["visual.transformer.resblocks.0.attn.in_proj_weight"].dtype == torch.float16
    assert state["visual.ln_pre.weight"].dtype == torch.float32
    assert not set(checkpoint.BOOKKEEPING) & set(state)


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


def test_read_refuses_an_archive_without_a_pin(archives):
    with pytest.raises(command.Refusal, match="TorchScript archive.*sha256"):
        checkpoint.read(archives["vit"], pinned=False)


def test_check_sha256_names_both_digests(archives):
    with pytest.raises(command.Refusal, match=f"{sha256(archives['vit'])}.*pins {'0' * 64}"):
        checkpoint.check_sha256(archives["vit"], "0" * 64)


def test_check_sha256_names_a_missing_file():
    with pytest.raises(command.Refusal, match=r"nowhere\.pt does not exist"):
        checkpoint.check_sha256("nowhere.pt", "0" * 64)


def test_read_refuses_a_truncated_file(archives, tmp_path):
    short = tmp_path / "short.pt"
    short.write_bytes(archives["vit"].read_bytes()[:-1000])
    with pytest.raises(command.Refusal, match="truncated"):
        checkpoint.read(short, pinned=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fc.weight": torch.zeros(3, 3)}, "no CLIP checkpoint: it lacks"),
        ([torch.zeros(3)], "no state dict"),
    ],
)
def test_read_refuses_what_is_no_clip(tmp_path, content, message):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(command.Refusal, match=message) as refusal:
        checkpoint.read(tmp_path / "other.pt", pinned=False)
    assert "\n" not in str(refusal.value)


def test_read_names_missing_and_unknown_tensors(archives, tmp_path):
    state = checkpoint.read(archives["vit"], pinned=True)
    state["extra.weight"] = state.pop("ln_final.bias")
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(command.Refusal, match=r"lacks ln_final\.bias"):
        checkpoint.read(tmp_path / "other.pt", pinned=False)
    state["ln_final.bias"] = state["ln_final.weight"]
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(command.Refusal, match=r"unknown extra\.weight"):
        checkpoint.read(tmp_path / "other.pt", pinned=False)


def test_read_runs_no_code_of_a_state_dict(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"visual.proj": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(command.Refusal, match="cannot be loaded"):
        checkpoint.read(tmp_path / "trap.pt", pinned=False)
