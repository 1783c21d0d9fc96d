import dataclasses

import pytest

from clip_onnx.checkpoint import architecture
from clip_onnx.openai import models
from tools.make_twin import OFFICIAL


@pytest.mark.parametrize("model", OFFICIAL)
def test_read_finds_the_sizes_of_every_official_model(model):
    sizes = OFFICIAL[model]
    shapes = {k: tuple(v.shape) for k, v in models.empty_model(sizes).state_dict().items()}
    assert architecture.read(shapes) == sizes


def test_read_says_what_a_foreign_state_dict_lacks():
    with pytest.raises(ValueError, match=r"it lacks visual\.conv1\.weight, visual"):
        architecture.read({"fc.weight": (10, 10)})


def test_read_refuses_open_clips_larger_models_by_name():
    sizes = dataclasses.replace(OFFICIAL["vit-l-14"], vision_width=1280)
    shapes = {k: tuple(v.shape) for k, v in models.empty_model(sizes).state_dict().items()}
    with pytest.raises(ValueError, match="is ViT-H's, whose attention heads are not 64 wide"):
        architecture.read(shapes)
