import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file

from clip_onnx import command, openai
from clip_onnx.host.pictures import preprocess
from clip_onnx.measure import inputs
from clip_onnx.openai import amounts, models
from clip_onnx.settings import sections
from stages.download import checkpoints
from stages.reference import __main__ as reference_stage

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
            found = built / f"data/checkpoints/{kind}"
            ours = models.embed(found, tower, [batch], torch.float32)
            torch.testing.assert_close(ours, embeds, rtol=0, atol=0)
            exact = models.embed(found, tower, [batch])
            torch.testing.assert_close(exact, embeds, rtol=0, atol=2e-5)


def test_no_number_of_the_reference_was_rounded_on_the_way(built):
    """Inputs that differ by what fp32 cannot hold between its numbers give other embeddings."""
    model = models.load_tower(built / "data/checkpoints/vit", "visual", torch.float64)
    pixels = examples()[0].double()
    with torch.inference_mode():
        moved = model.encode_image(pixels * (1 + 1e-12)) - model.encode_image(pixels)
    assert 0 < moved.abs().max() < 1e-9


def test_reference_keeps_weights_that_half_precision_cannot_hold(archives, tmp_path):
    state = checkpoints.load(archives["vit"], small.sha256(archives["vit"]))
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    state[name] = state[name] + 1e-5
    save_file(state, tmp_path / "weights.safetensors", metadata={"sha256": "x"})
    model = models.load_tower(tmp_path, "visual")
    stored = model.visual.transformer.resblocks[0].mlp.c_fc.weight
    assert torch.equal(stored, state[name])
    assert not torch.equal(stored, stored.half().float())
    assert model.token_embedding.weight.is_meta


def test_pixels_are_those_of_the_transform_without_torch(built):
    """OpenAI's transform and pictures.preprocess agree to the last bit."""
    index = inputs.index(built / "data/reference/vit")
    stored = load_file(built / "data/evalset/pictures.safetensors")
    pixels = inputs.pixels(built / "data/reference/vit", slice(None))
    for row in range(0, len(index), 7):
        picture = Image.fromarray(stored[index[row]["name"]])
        np.testing.assert_array_equal(preprocess(picture, 64), pixels[row])


def test_a_reference_says_which_inputs_it_holds(built):
    folder = built / "data/reference/vit"
    index, texts = inputs.index(folder), inputs.captions(folder)
    with inputs.reference(folder) as tensors:
        assert tensors.get_slice("image_embeds").get_shape()[0] == len(index)
        assert tensors.get_slice("text_embeds").get_shape()[0] == len(texts["evaluation"])
    assert not inputs.rows_of(index, inputs.CALIBRATION)
    assert texts["prompts"] == 128


def test_fewer_inputs_are_spread_and_show_every_class(built):
    evalset = built / "data/evalset"
    few = sections.Amounts(pictures=5, drawn=128, captions=7)
    index, texts = reference_stage.chosen(evalset, few, small.KINDS["vit"])
    evaluation = [index[row] for row in inputs.rows_of(index, inputs.EVALUATION)]
    assert len(evaluation) == 5
    assert len({row["source"] for row in evaluation}) == 5
    labelled = [index[row] for row in inputs.rows_of(index, inputs.LABELLED)]
    assert sorted(row["label"] for row in labelled) == list(range(128))
    every = inputs.captions(evalset)
    assert texts["evaluation"][:128] == every["evaluation"][:128]
    assert len(texts["evaluation"]) == 128 + 7
    assert texts["evaluation"][-1] == every["evaluation"][-1]


def test_amounts_are_those_of_the_size_but_for_what_the_model_says():
    entry = {"source": "x", "inputs": sections.Amounts(drawn=3)}
    sizes = small.KINDS["vit"]
    by_size = [
        sections.AmountsBySize(gflop=1e-6, pictures=2),
        sections.AmountsBySize(pictures=9, drawn=9),
    ]

    class Settings:
        inputs, models = (
            by_size,
            {"own": sections.Model(**entry), "plain": sections.Model(source="x")},
        )

    assert amounts.of(Settings, "plain", sizes).drawn == 9
    found = amounts.of(Settings, "own", sizes)
    assert (found.pictures, found.drawn) == (9, 3)


def test_a_pictures_cost_is_that_of_the_published_model():
    """ViT-B/32: 4.4 billion multiply-adds (its paper says so of 224 pixels)."""
    from tools.architectures import OFFICIAL

    assert 8.5 < amounts.gflop(OFFICIAL["vit-b-32"]) < 9


def test_drawings_that_leave_classes_out_are_refused():
    rows = [{"split": "labelled", "label": label} for label in (0, 1, 2, 0, 1, 2)]
    assert len(amounts.evaluated(rows, sections.Amounts(drawn=3))) == 3
    with pytest.raises(command.Refusal, match="drawn: 2 leaves 1 of 3 classes out of accuracy"):
        amounts.evaluated(rows, sections.Amounts(drawn=2))
