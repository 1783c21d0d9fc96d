import pytest
import torch

from clip_onnx import openai
from clip_onnx.checkpoint import architecture
from clip_onnx.openai import towers


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_towers_compute_what_openais_modules_do(built, archives, kind):
    model, _ = openai.load(str(archives[kind]), device="cpu", jit=False)
    sizes = architecture.of(built / f"data/checkpoints/{kind}")
    visual, textual = towers.build(sizes, "visual"), towers.build(sizes, "textual")
    state = model.state_dict()
    visual.load_state_dict({k[7:]: v for k, v in state.items() if k.startswith("visual.")})
    textual.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith("visual.") and k != "logit_scale"}
    )
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ids = openai.tokenize(["a cat", "two dogs, and a very long tail"])
    with torch.inference_mode():
        torch.testing.assert_close(visual(pixels), model.encode_image(pixels), rtol=0, atol=2e-5)
        torch.testing.assert_close(textual(ids), model.encode_text(ids), rtol=0, atol=2e-5)


def test_causal_mask_is_openais():
    model = openai.CLIP(8, 64, 1, 64, 16, 77, 100, 64, 1, 1)
    assert torch.equal(towers.causal_mask(77), model.build_attention_mask())
