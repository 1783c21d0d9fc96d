"""What the fields of open_clip's `model_cfg` may say: a rule each (CLIPVisionCfg, CLIPTextCfg).

A field that stands in no table is refused, as open_clip's classes refuse it.
"""

from clip_onnx.checkpoint.architecture import CONTEXT_LENGTH
from clip_onnx.checkpoint.network import HEAD_WIDTH
from clip_onnx.host import tokens
from stages.download import rules
from stages.download.rules import Rule, divides, is_eps, only, plain, size, square

OFF = dict.fromkeys(
    (
        "qk_norm",
        "scaled_cosine_attn",
        "scale_heads",
        "scale_attn_inner",
        "scale_attn",
        "scale_fc",
    ),
    only(False, None, openai="has none"),
)
EPS = {"eps": 1e-5}
MOST = 1e6  # of what a number may be


def _has_eps_alone(sizes, value):
    return isinstance(value, dict) and value.keys() == EPS.keys() and is_eps(sizes, value["eps"])


def _by_ratio(mlp_width, width):
    """The Rule of how wide a tower's MLPs are, as open_clip rounds it; the tensors say it, too."""

    def built(sizes, value):
        small = rules.is_number(value) and 0 < value < MOST
        return small and int(width(sizes) * value) == mlp_width(sizes)

    def right(sizes, section):
        return (mlp_width(sizes) / width(sizes),)

    return Rule(right, rules.TENSORS, 4.0, built)


SCALE = "ls_init_value"  # what blocks' factors were before training; none: there are none


def _scaled(blocks):
    """The Rule of it; the tensors say whether there are factors."""

    def right(sizes, section):
        return () if blocks(sizes).layer_scale else (None,)

    def built(sizes, value):
        small = rules.is_number(value) and abs(value) < MOST
        return plain(sizes) and blocks(sizes).layer_scale and small

    openai = "scales no layer, and others where their tensors have the factors"
    return Rule(right, openai, built=built)


BOTH = OFF | {
    "act_kwargs": only(
        None,
        {},
        openai="has none, and GELU of others an `approximate`",
        built=lambda s, value: plain(s) and value in ({"approximate": "none"}, TANH),
    ),
    "norm_kwargs": only(
        None, {}, EPS, openai="has an eps of 1e-5, and others one", built=_has_eps_alone
    ),
    "block_type": only(None, "default", openai="has plain blocks"),
}
TANH = {"approximate": "tanh"}
VISION = BOTH | {
    SCALE: _scaled(lambda s: s.visual),
    "mlp_ratio": _by_ratio(lambda s: s.vision_mlp_width, lambda s: s.vision_width),
    "layers": size(lambda s: s.vision_layers if s.vit else list(s.vision_layers), 12),
    "width": size(lambda s: s.vision_width, 768),
    "head_width": Rule(
        lambda s, _: (HEAD_WIDTH if not s.vit or s.vision_width % HEAD_WIDTH == 0 else 1,),
        "has heads {} wide, and others a width that divides the tower's",
        HEAD_WIDTH,
        divides(lambda s: s.vision_width),
    ),
    "patch_size": Rule(
        lambda s, section: (
            (s.patch_size, [s.patch_size] * 2) if s.vit else (section.get("patch_size", 16),)
        ),
        rules.TENSORS,
        16,
        by_tensors=True,
    ),
    "image_size": square(lambda s: s.resolution, 224),
    "attentional_pool": only(False, None, openai="takes the class token"),
    "no_ln_pre": Rule(
        lambda s, _: (False, None) if s.visual.pre_norm else (),
        "has a LayerNorm there, and others none where their tensors have none",
        False,
        lambda s, value: plain(s) and value is True and not s.visual.pre_norm,
    ),
    "pool_type": only(
        "tok",
        openai="takes the class token, {}",
        built=lambda s, value: plain(s) and value == "avg",
    ),
    "final_ln_after_pool": only(
        False, None, openai="takes one token", built=lambda s, value: value is True
    ),
    "timm_model_name": only(None, "", openai="has no tower of timm"),
}
TEXT = BOTH | {
    SCALE: _scaled(lambda s: s.textual),
    "mlp_ratio": _by_ratio(lambda s: s.text_mlp_width, lambda s: s.text_width),
    "context_length": size(lambda s: s.context_length, CONTEXT_LENGTH),
    "vocab_size": only(tokens.SIZE, openai="reads {}"),
    "hf_tokenizer_name": Rule(
        lambda _, section: (None, "", *_named_openai(section)),
        "has a tokenizer of its own; other tokens are read of models in transformers' format",
    ),
    "tokenizer_mode": only(None, "", openai="has one tokenizer"),
    "tokenizer_kwargs": only(None, {}, {"clean": "lower"}, openai="has one tokenizer"),
    "width": size(lambda s: s.text_width, 512),
    "heads": Rule(
        rules.heads(lambda s: s.text_width),
        "has {}, 64 wide each, and others any number that divides the width",
        8,
        divides(lambda s: s.text_width),
    ),
    "layers": size(lambda s: s.text_layers, 12),
    "embed_cls": only(False, None, openai="takes the end token"),
    "no_causal_mask": only(False, None, openai="lets no token look ahead"),
    "pool_type": Rule(
        lambda _, section: (
            ("argmax", "eos") if section.get("eos_id") == tokens.END_ID else ("argmax",)
        ),
        "takes the end token, {}",
    ),
    "proj_bias": only(False, None, openai="has none"),
    "proj_type": only("linear", openai="projects by a matrix, {}"),
    "hf_model_name": only(None, "", openai="has no text tower of transformers"),
}
SECTIONS = {"visual": ("vision_cfg", VISION), "textual": ("text_cfg", TEXT)}
TOP = {
    "embed_dim": size(lambda s: s.embed_dim),
    "quick_gelu": only(
        True,
        openai="computes QuickGELU: {}",
        absent=False,
        built=lambda s, value: plain(s) and value is False,
    ),
    "multimodal_cfg": only(None, openai="has no third tower"),
}
# Of training alone, of what is turned off above, or the same of one token before and after
# pooling; names and scales are the tensors' own.
HARMLESS = {
    "vision_cfg": {
        "patch_dropout",
        "attn_pooler_queries",
        "attn_pooler_heads",
        "pos_embed_type",
        "output_tokens",
        "timm_model_pretrained",
        "timm_pool",
        "timm_proj",
        "timm_proj_bias",
        "timm_drop",
        "timm_drop_path",
    },
    "text_cfg": {
        "pad_id",
        "eos_id",
        "final_ln_after_pool",
        "output_tokens",
        "hf_model_pretrained",
        "hf_proj_type",
        "hf_pooler_type",
    },
    "model_cfg": {
        "custom_text",
        "init_logit_scale",
        "init_logit_bias",
        "nonscalar_logit_scale",
        "output_dict",
        "cast_dtype",
        "vision_cfg",
        "text_cfg",
    },
}


def _named_openai(section):
    """The name of the tokenizer if it is one of OpenAI's own repositories."""
    name = section["hf_tokenizer_name"]
    return (name,) if str(name).startswith("openai/clip-vit-") else ()
