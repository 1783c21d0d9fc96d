"""The two checkpoints that ship."""

import pytest
import torch

from clip_onnx import openai
from clip_onnx.settings import params
from stages.download import checkpoints
from tools import train_tiny

import small

MODELS = ("tiny-vit", "tiny-rn")


@pytest.fixture(scope="module", params=MODELS)
def state(request):
    model = params.load().models[request.param]
    return checkpoints.load(model.source, model.sha256)


def test_build_model_takes_them_and_types_are_openais(state):
    model = openai.build_model(dict(state))
    for name, tensor in model.state_dict().items():
        assert state[name].dtype == tensor.dtype, name
    assert state["token_embedding.weight"].dtype == torch.float32
    assert state["token_embedding.weight"].shape == (49408, 64)
    assert state["positional_embedding"].shape == (77, 64)


def test_zero_shot_accuracy_on_pictures_never_trained_on(state):
    model = openai.build_model(dict(state)).float()
    assert train_tiny.accuracy(model) >= 0.95


def test_both_together_fit_into_git():
    sizes = [(small.ROOT / params.load().models[name].source).stat().st_size for name in MODELS]
    assert sum(sizes) < 32e6
