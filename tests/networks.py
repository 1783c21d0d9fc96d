"""Small CLIPs of other code than OpenAI's: random ones, saved as their packages save them."""

import json

import torch
from safetensors.torch import load_file, save_file

from clip_onnx import openai
from clip_onnx.checkpoint import network, weights
from clip_onnx.host import sessions, tokens
from clip_onnx.names import TOWERS
from stages.download import checkpoints, sources, tokenizer
from stages.download.__main__ import own_memory

import small

TEXTS = ["a photo of a cat", "", "7 small blue triangles, drawn in ink on paper", "word " * 90]
OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"layers": 2, "width": 48, "head_width": 12, "patch_size": 16, "image_size": 32},
    "text_cfg": {"width": 40, "heads": 5, "layers": 2},
}
SECTION = {
    "hidden_size": 48,
    "intermediate_size": 100,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 24,
}
HUGGING_FACE = {
    "projection_dim": 24,
    "vision_config": SECTION | {"image_size": 32, "patch_size": 16, "hidden_act": "gelu"},
    "text_config": SECTION | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-6},
}


@torch.no_grad()
def fill(model):
    """Random weights under which every part of a network matters to what it computes."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, 1.5 * parameter[0].numel() ** -0.5, generator=generator)
        elif parameter.ndim:
            norm = name.endswith("weight")
            parameter.uniform_(*((0.5, 1.5) if norm else (-0.3, 0.3)), generator=generator)
    return model.eval()


def save_open_clip(config, folder):
    """Save a `model_cfg` and random weights of it as open_clip does. Returns its own model."""
    import open_clip
    from open_clip.model import CLIP

    state = fill(CLIP(**config)).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "open_clip_model.safetensors")
    content = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(content), "utf-8")
    return open_clip.create_model(f"local-dir:{folder}").eval()


def save_hugging_face(config, folder):
    """Save random weights of a CLIPConfig as transformers does. Returns its own model."""
    from transformers import CLIPConfig, CLIPModel

    fill(CLIPModel(CLIPConfig(**config))).save_pretrained(folder)
    return CLIPModel.from_pretrained(folder).eval()


def inputs(side=32, context=tokens.CONTEXT):
    """{tower: what it takes}: pictures of noise, captions padded with 0 to what the model reads."""
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    return {"visual": pixels, "textual": openai.tokenize(TEXTS, context, truncate=True).long()}


@torch.inference_mode()
def own(model, given):
    """{tower: embeddings} of a package's model, by its own functions."""
    if hasattr(model, "get_image_features"):
        images = model.get_image_features(pixel_values=given["visual"]).pooler_output
        texts = model.get_text_features(input_ids=given["textual"]).pooler_output
    else:
        images, texts = model.encode_image(given["visual"]), model.encode_text(given["textual"])
    return {"visual": images.numpy(), "textual": texts.numpy()}


SAVE = {"open_clip": save_open_clip, "huggingface": save_hugging_face}
CONFIG = {"open_clip": OPEN_CLIP, "huggingface": HUGGING_FACE}


def store(source, folder, *stated):
    """What `download` keeps of weights, in a folder. Returns it."""
    state, found = checkpoints.read(source, sources.digest(sources.find(source)), *stated)
    folder.mkdir(parents=True)
    state = {name: own_memory(tensor) for name, tensor in state.items()}
    save_file(state, folder / weights.FILE, metadata={"sha256": "0" * 64})
    network.write(folder, found)
    tokenizer.keep(source, found, folder)
    return folder


def export(checkpoint, folder):
    """The std graphs of a stored checkpoint: {tower: folder}."""
    small.run_stage("export", checkpoint, folder / "export")
    found = {tower: folder / "std" / tower for tower in TOWERS}
    for tower, output in found.items():
        small.run_stage("patch", "std", f"--{tower}", folder / "export" / tower, output)
    return found


def embeddings(directory, tower, given):
    """Every way of giving a graph its inputs: all at once, and texts with each padding."""
    session = sessions.session(directory)
    if tower == "visual":
        yield sessions.run(session, [given.numpy()])
        return
    rows = [row[: row.argmax() + 1] for row in given.numpy()]
    yield sessions.run(session, [row[None] for row in rows])
    for padding in (0, 49407):
        yield sessions.run(session, [tokens.pad(rows, padding, given.shape[1])])


def weights_of(folder):
    return load_file(next(folder.glob("*.safetensors")))
