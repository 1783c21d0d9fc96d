import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from clip_onnx import command
from stages.download import checkpoints

import small


def test_download_keeps_every_weight_as_stored(built, archives):
    for kind in ("vit", "rn"):
        state = checkpoints.load(archives[kind], small.sha256(archives[kind]))
        stored = load_file(built / f"data/checkpoints/{kind}/weights.safetensors")
        assert stored.keys() == state.keys()
        for name, tensor in state.items():
            assert stored[name].dtype == tensor.numpy().dtype
            np.testing.assert_array_equal(stored[name], tensor.numpy())


def refusal(workspace, change):
    content = small.params({})
    content["models"] = {"mine": change}
    content["grid"]["models"] = ["mine"]
    content["floors"] = {"mine": {}}
    small.write_params(workspace, content)
    with pytest.raises(command.Refusal) as caught:
        small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    assert not list(workspace.glob("data/*/*"))
    return str(caught.value)


def test_refuses_wrong_bytes_and_leaves_nothing(workspace, archives):
    assert "SHA-256" in refusal(workspace, {"source": str(archives["vit"]), "sha256": "0" * 64})


def test_refuses_an_unpinned_archive(workspace, archives):
    assert "not pinned" in refusal(workspace, {"source": str(archives["vit"])})


def test_refuses_a_missing_file(workspace):
    assert "cannot be read" in refusal(workspace, {"source": "nowhere.pt"})


def test_refuses_an_unknown_model(workspace):
    with pytest.raises(command.Refusal, match=r"no models\.rn51; known: vit, rn"):
        small.run_stage("download", "rn51", "data/downloads", "data/checkpoints/rn51")


def test_takes_a_plain_state_dict_whose_tensors_share_memory(workspace, archives):
    state = checkpoints.load(archives["vit"], small.sha256(archives["vit"]))
    both = torch.stack([state["ln_final.weight"], state["ln_final.bias"]])
    state["ln_final.weight"], state["ln_final.bias"] = both
    torch.save(state, "mine.pt")
    content = small.params({"mine": workspace / "mine.pt"})
    content["models"]["mine"]["activation"] = "quick_gelu"
    small.write_params(workspace, content)
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    tokenizer = json.loads((workspace / "data/checkpoints/mine/tokenizer.json").read_text("utf-8"))
    assert len(tokenizer["model"]["vocab"]) == 49408
    stored = load_file(workspace / "data/checkpoints/mine/weights.safetensors")
    np.testing.assert_array_equal(stored["ln_final.bias"], both[1].numpy())


def test_takes_a_folder_and_says_what_was_changed(workspace, archives, capsys):
    state = checkpoints.load(archives["vit"], small.sha256(archives["vit"]))
    (workspace / "mine").mkdir()
    path = workspace / "mine/model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in state.items()}, path)
    content = small.params({"mine": path})
    content["models"]["mine"] |= {"source": "file:mine", "activation": "quick_gelu"}
    small.write_params(workspace, content)
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    count = f"{len(state)} of {len(state)} tensors are bfloat16, widened to fp32"
    assert f"mine/model.safetensors: {count}" in capsys.readouterr().out
    stored = load_file(workspace / "data/checkpoints/mine/weights.safetensors")
    expected = state["ln_final.bias"].bfloat16().float().numpy()
    np.testing.assert_array_equal(stored["ln_final.bias"], expected)
