import dataclasses
import re

import numpy as np
import pytest
import torch
from PIL import Image

from clip_onnx import openai
from clip_onnx.checkpoint.architecture import Architecture
from clip_onnx.checkpoint.network import Blocks
from clip_onnx.measure import parity
from clip_onnx.openai import archive, towers
from stages.download import checkpoints
from stages.evalset import captions, collection
from tools import architectures, make_twin

from small import ROOT, sha256

SMALL = {
    "vit": Architecture(48, 64, 3, 128, 16, 77, 49408, 128, 3),
    "rn": Architecture(48, 64, (1, 1, 1, 2), 8, None, 77, 49408, 128, 3),
}


@pytest.mark.parametrize("kind", SMALL)
def test_a_twin_is_a_checkpoint_in_openais_format(kind, tmp_path):
    archive.write_archive(make_twin.make(SMALL[kind]), tmp_path / "twin.pt")
    state = checkpoints.load(tmp_path / "twin.pt", sha256(tmp_path / "twin.pt"))
    model = openai.build_model(dict(state))
    for name, tensor in model.state_dict().items():
        assert state[name].dtype == tensor.dtype, name
        assert torch.isfinite(state[name]).all(), name


@pytest.mark.parametrize("mlp_width", [None, 630])  # 4.9219 times the tower's, as bigG's are
def test_a_twin_of_laions_is_a_folder_in_open_clips_format(tmp_path, mlp_width):
    visual = Blocks("gelu", head_width=32, mlp_width=mlp_width)
    sizes = dataclasses.replace(SMALL["vit"], visual=visual, textual=Blocks("gelu"))
    make_twin.write_folder(make_twin.make(sizes), sizes, tmp_path / "twin")
    state, network = checkpoints.read(
        tmp_path / "twin", sha256(tmp_path / "twin/open_clip_model.safetensors")
    )
    assert state["visual.conv1.weight"].dtype == torch.float16
    assert network.family == "open_clip"
    assert (network.visual, network.textual) == (sizes.visual, sizes.textual)


@pytest.mark.parametrize("model", architectures.LAION)
def test_laions_sizes_are_open_clips(model):
    import open_clip

    name = model.removeprefix("laion-").replace("vit", "ViT").replace("bigg", "bigG")
    name = re.sub(r"-([blh])-", lambda size: size[0].upper(), name)
    config, sizes = open_clip.get_model_config(name), architectures.LAION[model]
    with torch.device("meta"):
        theirs = open_clip.model.CLIP(**config).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    assert shapes == towers.expected_shapes(sizes)
    vision, text = config["vision_cfg"], config["text_cfg"]
    assert vision.get("head_width", 64) == sizes.visual.head_width
    assert text["heads"] == sizes.text_heads


def embeddings(model):
    model = model.float()
    pixels = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    ids = openai.tokenize([f"a photo of a {word}" for word in ("cat", "dog", "lake", "boat")])
    with torch.inference_mode():
        both = model.encode_image(pixels), model.encode_text(ids)
    return [torch.nn.functional.normalize(embeds) for embeds in both]


@pytest.mark.parametrize("kind", SMALL)
def test_seeds_decide_the_weights(kind):
    first, again, other = (embeddings(make_twin.make(SMALL[kind], seed)) for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.allclose(a, c, atol=0.1)


@pytest.mark.parametrize("kind", SMALL)
def test_inputs_are_told_apart(kind):
    for embeds in embeddings(make_twin.make(SMALL[kind])):
        cosines = (embeds @ embeds.T)[~np.eye(len(embeds), dtype=bool)]
        assert cosines.max() < 0.999


@pytest.mark.parametrize("kind", SMALL)
def test_outliers_change_activations_and_not_the_function(kind):
    plain, planted = (make_twin.make(SMALL[kind], outliers=flag) for flag in (False, True))
    norm = planted.transformer.resblocks[0].ln_1.weight / plain.transformer.resblocks[0].ln_1.weight
    assert sorted(norm.tolist())[-make_twin.OUTLIERS :] == pytest.approx([10.0] * 6, rel=1e-3)
    assert (norm == 1).sum() == len(norm) - make_twin.OUTLIERS
    # Equal but for the rounding to half precision.
    for a, b in zip(embeddings(plain), embeddings(planted), strict=True):
        assert (a * b).sum(-1).min() > 0.99999


def test_a_resnets_outliers_are_behind_what_one_convolution_reads():
    plain, planted = (make_twin.make(SMALL["rn"], outliers=flag).visual for flag in (False, True))
    for name, expected in (("bn1", 4), ("layer4.0.bn1", 6), ("layer4.0.bn2", 6), ("bn3", 0)):
        norms = [resnet.get_submodule(name) for resnet in (plain, planted)]
        for before, after in zip(norms[0].parameters(), norms[1].parameters(), strict=True):
            assert (after / before > 9).sum() == expected, name


def test_resnets_do_not_amplify_noise(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    pixels, noise = torch.randn(2, 8, 3, 64, 64, generator=generator)

    def snr_db():
        resnet = make_twin.make(SMALL["rn"]).visual.float()
        with torch.inference_mode():
            embeds, noisy = resnet(pixels), resnet(pixels + 0.02 * noise)  # 34 dB
        return parity.snr_db(embeds, noisy)

    assert snr_db() > 25
    monkeypatch.setattr(make_twin, "RESIDUAL_GAIN", 1.0)
    monkeypatch.setattr(make_twin, "RELU_SHIFT", 0.0)
    assert snr_db() < 15


@pytest.mark.slow
def test_the_full_size_recipe_is_fixed():
    """What a quantiser loses on a twin depends on its recipe, so the recipe's figures are held.

    A ViT-B/32 twin with outliers was chosen because int8 weights and dynamic int8 lose about as
    much on it as on OpenAI's model; its photographs and captions are about half and two thirds
    alike in direction.
    """
    model = make_twin.make(architectures.OFFICIAL["vit-b-32"], outliers=True).float()
    block = model.visual.transformer.resblocks[0]
    for weight, std in ((block.attn.in_proj_weight, 0.0405), (block.mlp.c_proj.weight, 0.0102)):
        assert weight.std().item() == pytest.approx(std, rel=0.03)
    photographs = [
        collection.read_picture(row[0])
        for row in collection.photographs(ROOT / "stages/evalset/photographs.csv")
    ]
    transform = openai.transform(224)
    pixels = torch.stack([transform(Image.fromarray(pixels)) for pixels in photographs])
    sentences = captions.read(ROOT / "stages/evalset/captions.txt")["evaluation"]
    sentences = sentences[len([*captions.prompts()]) :][:40]
    with torch.inference_mode():
        images, texts = model.encode_image(pixels), model.encode_text(openai.tokenize(sentences))
    assert alike(images) == pytest.approx(0.41, abs=0.03)
    assert alike(texts) == pytest.approx(0.67, abs=0.03)


def alike(embeds):
    """The mean cosine of two different rows."""
    embeds = torch.nn.functional.normalize(embeds)
    return (embeds @ embeds.T)[~torch.eye(len(embeds), dtype=bool)].mean().item()
