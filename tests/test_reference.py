import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file

from stages import checkpoint, inputs, openai, preprocessing, reference

import small

CAPTIONS = ["a photo of a cat", "x", "word " * 100]


def examples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 64, 64, generator=generator), openai.tokenize(CAPTIONS, truncate=True)


def test_reference_is_what_openais_loader_computes(built, archives):
    for kind in ("vit", "rn"):
        model, _ = openai.load(str(archives[kind]), device="cpu", jit=False)
        pixels, ids = examples()
        with torch.inference_mode():
            expected = model.encode_image(pixels), model.encode_text(ids)
        for tower, batch, embeds in zip(
            ("visual", "textual"), (pixels, ids), expected, strict=True
        ):
            ours = reference.embed(built / f"data/checkpoints/{kind}", tower, [batch])
            torch.testing.assert_close(ours, embeds, rtol=0, atol=0)


def test_reference_keeps_weights_that_half_precision_cannot_hold(archives, tmp_path):
    state = checkpoint.load(archives["vit"], small.sha256(archives["vit"]))
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    state[name] = state[name] + 1e-5
    save_file(state, tmp_path / "weights.safetensors", metadata={"sha256": "x"})
    model = reference.load_tower(tmp_path, "visual")
    stored = model.visual.transformer.resblocks[0].mlp.c_fc.weight
    assert torch.equal(stored, state[name])
    assert not torch.equal(stored, stored.half().float())
    assert model.token_embedding.weight.is_meta


def test_pixels_are_those_of_the_transform_without_torch(built):
    """OpenAI's transform and preprocessing.preprocess agree to the last bit."""
    import json

    index = json.loads((built / "data/evalset/pictures.json").read_text())
    pictures = load_file(built / "data/evalset/pictures.safetensors")
    pixels = inputs.pixels(built / "data/reference/vit", slice(None))
    for row in range(0, len(index), 7):
        picture = Image.fromarray(pictures[index[row]["name"]])
        np.testing.assert_array_equal(preprocessing.preprocess(picture, 64), pixels[row])
