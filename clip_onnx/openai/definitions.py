"""The code that defines a checkpoint which is not OpenAI's: open_clip's, or transformers'.

Each is built from the checkpoint's own configuration, without a word of what the towers here read
in it, so that a wrong reading shows as a bad figure. The packages are imported when a checkpoint
needs them.
"""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from clip_onnx import command
from clip_onnx.checkpoint.network import HUGGING_FACE, OPEN_CLIP, OPENAI
from clip_onnx.openai import names, towers

PREFIXES = {"clip": "CLIP", "metaclip_2": "MetaClip2"}  # of transformers' classes, by model_type
CODE = {OPENAI: "OpenAI's code", OPEN_CLIP: "open_clip", HUGGING_FACE: "transformers"}


class Definition(NamedTuple):
    """A package's own module of a network, on the meta device: shapes without storage.

    `model` has encode_image and encode_text, `blocks` are the classes of which one tower has many.
    `named(name, tensor)` is {the module's name: tensor} of a tensor of OpenAI's name, and
    `settle()` puts in what the module computes besides its weights, once those are loaded.
    """

    model: nn.Module
    blocks: tuple[type, ...]
    named: Callable
    settle: Callable


@contextlib.contextmanager
def _needed(module, package):
    """Refuse in one line if a module cannot be imported in the block, for its package is missing.

    What the packages warn of as they are imported is their own affair.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module:
            raise
        raise command.Refusal(
            f"the checkpoint is defined by {module}'s code, which is not installed: run"
            f" `pip install {package}`"
        ) from None


def open_clip(configuration):
    """The Definition of a `model_cfg`: open_clip.model.CLIP."""
    with _needed("open_clip", "open_clip_torch"):
        from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
        from open_clip.transformer import ResidualAttentionBlock
    with torch.device("meta"):
        model = CLIP(
            embed_dim=configuration["embed_dim"],
            vision_cfg=CLIPVisionCfg(**_known(CLIPVisionCfg, configuration, "vision_cfg")),
            text_cfg=CLIPTextCfg(**_known(CLIPTextCfg, configuration, "text_cfg")),
            quick_gelu=configuration.get("quick_gelu", False),
        )

    encode = model.encode_image

    def encode_image(pixel_values):
        return encode(pixel_values.to(model.visual.conv1.weight.dtype))

    def settle():
        model.attn_mask = towers.causal_mask(model.context_length)
        # It goes by the first block's weights, which wait in the type that they are stored in.
        model.transformer.get_cast_dtype = lambda: model.positional_embedding.dtype

    model.encode_image = encode_image
    return Definition(model, (ResidualAttentionBlock,), lambda name, t: {name: t}, settle)


def _known(kind, configuration, name):
    """The fields of a section that open_clip's class has, without further outputs."""
    known = {field.name for field in dataclasses.fields(kind)} - {"output_tokens"}
    section = configuration.get(name, {})
    return {field: value for field, value in section.items() if field in known}


def hugging_face(configuration):
    """The Definition of a CLIPConfig or a MetaClip2Config: transformers.CLIPModel, MetaClip2Model.

    Its eager attention takes the softmax in fp32 whatever the type; the one that it chooses by
    itself, PyTorch's, does not.
    """
    with _needed("transformers", "transformers"):
        import transformers
    kind = PREFIXES[configuration.get("model_type", "clip")]
    config = getattr(transformers, f"{kind}Config").from_dict(configuration)
    config._attn_implementation = "sdpa"
    with torch.device("meta"):
        model = getattr(transformers, f"{kind}Model")(config)

    def encode_image(pixel_values):
        return model.get_image_features(pixel_values=pixel_values).pooler_output

    def encode_text(input_ids):
        return model.get_text_features(input_ids=input_ids).pooler_output

    def settle():
        for part in (model.vision_model, model.text_model):
            positions = part.embeddings.position_ids.shape[-1]
            part.embeddings.position_ids = torch.arange(positions)[None]

    model.encode_image, model.encode_text = encode_image, encode_text
    blocks = (type(model.vision_model.encoder.layers[0]),)  # the text tower's are of it, too
    return Definition(model, blocks, names.to_hugging_face, settle)


def token_rows(directory, texts, context):
    """Token ids of each text, lists of at most `context`, by transformers' tokenizer of a folder
    with tokenizer.json and tokenizer_config.json. Raises Refusal where it makes none."""
    with _needed("transformers", "transformers"):
        from transformers import AutoTokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        rows = tokenizer(texts, truncation=True, max_length=context).input_ids
        if max(map(len, rows)) > context:
            raise ValueError(f"it does not cut texts to {context} tokens")
    except Exception as error:  # whatever the class does that the file names
        raise command.Refusal(
            f"{directory}: transformers makes no tokens by its tokenizer_config.json"
            f" ({command.first_line(error)}): correct it, or fetch it again"
        ) from None
    return rows


OF = {OPEN_CLIP: open_clip, HUGGING_FACE: hugging_face}
