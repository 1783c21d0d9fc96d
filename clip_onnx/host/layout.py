"""The folder that transformers.js and Hugging Face's Python clients read.

    our encoding    suffix        what their clients call it
    fp32            (none)        fp32
    fp16            _fp16         fp16
    int8w           _quantized    q8, the default in browsers
    int8-dynamic    _int8         int8
    int4r           _q4           q4

Any other encoding or profile stands under its own name: `fp16w` is `vision_model_fp16w.onnx`. So do
products: `image.onnx`, `classifier_quantized.onnx`; `combined` is their clients' `model.onnx`.
"""

from collections.abc import Iterable
from typing import Any

from clip_onnx.host import preprocessor
from clip_onnx.host.preparation import OPENAI, Preparation
from clip_onnx.host.tokens import CONFIG_FILE, END, END_ID, START, START_ID
from clip_onnx.names import PROJECTION

STEMS = {"visual": "vision_model", "textual": "text_model", "combined": "model"}
CLASSES = {
    "visual": "CLIPVisionModelWithProjection",
    "textual": "CLIPTextModelWithProjection",
    "combined": "CLIPModel",
}  # of their clients
DTYPES = {  # of transformers.js, the one to show first
    "int8w": "q8",
    "fp32": "fp32",
    "fp16": "fp16",
    "int8-dynamic": "int8",
    "int4r": "q4",
}
ACTIVATIONS = {"gelu_tanh": "gelu_pytorch_tanh"}  # where transformers calls one otherwise
EPS = 1e-5  # of transformers' norms, and OpenAI's
SUFFIXES = {
    "fp32": "",
    "fp16": "_fp16",
    "int8w": "_quantized",
    "int8-dynamic": "_int8",
    "int4r": "_q4",
}


def file_name(graph: str, variant: str) -> str:
    """`onnx/vision_model_quantized.onnx` and the like."""
    return f"onnx/{STEMS.get(graph, graph)}{SUFFIXES.get(variant, f'_{variant}')}.onnx"


def projection_name(file: str) -> str:
    """Where the projection stands that a profile leaves to the host (clip_onnx/host)."""
    return f"{file.removesuffix('.onnx')}.{PROJECTION}"


def configuration(
    sizes: Any,
    external: Iterable[str] = (),
    preparation: Preparation = OPENAI,
    tokenizer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """{file name: content} of the JSON files beside the models.

    `external` names the external data files; transformers.js only fetches those it is told of.
    `tokenizer` is the tokenizer_config.json of tokens that are not CLIP's.
    """
    config = _config(sizes)
    if external:
        models = {name.removesuffix("_data"): True for name in sorted(external)}
        config["transformers.js_config"] = {"use_external_data_format": models}
    files = {"config.json": config}
    if "visual" in sizes.towers:
        files[preprocessor.FILE] = preprocessor.written(sizes.resolution, preparation)
    if tokenizer is not None:
        files[CONFIG_FILE] = tokenizer | {"model_max_length": sizes.context_length}
    elif "textual" in sizes.towers:
        files[CONFIG_FILE] = _tokenizer(sizes)
        files["special_tokens_map.json"] = {
            "bos_token": START,
            "eos_token": END,
            "pad_token": END,
            "unk_token": END,
        }
    return files


def _config(sizes: Any) -> dict[str, Any]:
    """A CLIPConfig, or of one tower its section by itself, as transformers writes them."""
    sections = {"visual": _vision, "textual": _text}
    if not sizes.whole:
        (tower,) = sizes.towers
        return {"architectures": [CLASSES[tower]]} | sections[tower](sizes)
    return {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": sizes.embed_dim,
        "text_config": _text(sizes),
        "vision_config": _vision(sizes),
    }


def _blocks(how: Any) -> dict[str, Any]:
    """How a tower's blocks compute; the eps of every norm where it is not transformers' own."""
    activation = {"hidden_act": ACTIVATIONS.get(how.activation, how.activation)}
    return activation | ({} if how.eps == EPS else {"layer_norm_eps": how.eps})


def _text(sizes: Any) -> dict[str, Any]:
    return {
        "model_type": "clip_text_model",
        **_blocks(sizes.textual),
        "hidden_size": sizes.text_width,
        "intermediate_size": sizes.text_mlp_width,
        "num_hidden_layers": sizes.text_layers,
        "num_attention_heads": sizes.text_heads,
        "max_position_embeddings": sizes.context_length,
        "vocab_size": sizes.vocab_size,
        "projection_dim": sizes.embed_dim,
        **_special(sizes.textual.end_id),
    }


def _special(end_id: int | None) -> dict[str, int]:
    """The ids of the tokens of no word, as far as they are known."""
    if end_id is not None:
        return {"eos_token_id": end_id}
    return {"bos_token_id": START_ID, "eos_token_id": END_ID, "pad_token_id": END_ID}


def _vision(sizes: Any) -> dict[str, Any]:
    """A CLIPVisionConfig. The ResNets have no name there; their sizes are left out."""
    config = {
        "model_type": "clip_vision_model",
        **_blocks(sizes.visual),
        "image_size": sizes.resolution,
        "num_channels": 3,
        "projection_dim": sizes.embed_dim,
    }
    if sizes.vit:
        config |= {
            "patch_size": sizes.patch_size,
            "hidden_size": sizes.vision_width,
            "intermediate_size": sizes.vision_mlp_width,
            "num_hidden_layers": sizes.vision_layers,
            "num_attention_heads": sizes.vision_heads,
        }
    return config


def _tokenizer(sizes: Any) -> dict[str, Any]:
    return {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": sizes.context_length,
        "do_lower_case": True,
        "add_prefix_space": False,
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
    }


def context(tokenizer_config: dict[str, Any]) -> int:
    """How many tokens a bundle's textual tower reads. Raises ValueError where it does not say."""
    length = tokenizer_config["model_max_length"]
    if type(length) is not int or length < 1:
        raise ValueError(f"{CONFIG_FILE} has {length!r} as model_max_length")
    return length
