import dataclasses
import json

import pytest

from clip_onnx.checkpoint import architecture
from clip_onnx.checkpoint.network import Blocks
from clip_onnx.openai import models, towers
from tools.architectures import OFFICIAL


@pytest.mark.parametrize("model", OFFICIAL)
def test_read_finds_the_sizes_of_every_official_model(model):
    sizes = OFFICIAL[model]
    shapes = {k: tuple(v.shape) for k, v in models.empty_model(sizes).state_dict().items()}
    assert architecture.read(shapes) == sizes
    assert towers.expected_shapes(sizes) == shapes


@pytest.mark.parametrize("wider", [{}, {"eps": 1e-6, "mlp_width": 100}])
def test_what_is_written_is_read_again_and_openais_has_no_blocks(wider):
    sizes = dataclasses.replace(OFFICIAL["rn50"], textual=Blocks(**wider))
    written = json.loads(json.dumps(sizes.written()))
    assert architecture.of_written(written) == sizes
    assert ("textual" in written) == bool(wider)
    assert "visual" not in written


def test_the_width_of_most_mlps_counts():
    sizes = dataclasses.replace(OFFICIAL["vit-b-32"], visual=Blocks(mlp_width=100))
    shapes = towers.expected_shapes(sizes)
    assert architecture.read(shapes) == sizes
    shapes["visual.transformer.resblocks.3.mlp.c_fc.weight"] = (8, 768)
    assert architecture.read(shapes) == sizes


def test_read_says_what_a_foreign_state_dict_lacks():
    with pytest.raises(ValueError, match=r"it lacks visual\.conv1\.weight, visual"):
        architecture.read({"fc.weight": (10, 10)})
