"""open_clip_config.json, field by field (model_cfg, CLIPVisionCfg and CLIPTextCfg of open_clip).

Its classes take no unknown field, so one that stands in no table may change the network: it is
refused unless it turns something off.
"""

from clip_onnx.checkpoint.architecture import CONTEXT_LENGTH, HEAD_WIDTH, VOCABULARY
from clip_onnx.host.tokens import END_ID
from stages.download import described, rules
from stages.download.rules import Rule, only, size, square

FILE = "open_clip_config.json"
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
BOTH = OFF | {
    "mlp_ratio": only(4, openai="has {}"),
    "ls_init_value": only(None, openai="scales no layer"),
    "act_kwargs": only(None, {}, openai="has none"),
    "norm_kwargs": only(None, {}, {"eps": 1e-5}, openai="has an eps of 1e-5"),
    "block_type": only(None, "default", openai="has plain blocks"),
}
VISION = BOTH | {
    "layers": size(lambda s: s.vision_layers if s.vit else list(s.vision_layers)),
    "width": size(lambda s: s.vision_width),
    "head_width": only(HEAD_WIDTH, openai="has heads {} wide"),
    "patch_size": Rule(
        lambda s, section: (
            (s.patch_size, [s.patch_size] * 2) if s.vit else (section["patch_size"],)
        ),
        "goes by the tensors, which say {}",
    ),
    "image_size": square(lambda s: s.resolution),
    "attentional_pool": only(False, None, openai="takes the class token"),
    "no_ln_pre": only(False, None, openai="has a LayerNorm there"),
    "pool_type": only("tok", openai="takes the class token, {}"),
    "timm_model_name": only(None, "", openai="has no tower of timm"),
}
TEXT = BOTH | {
    "context_length": only(CONTEXT_LENGTH, openai="reads {}"),
    "vocab_size": only(VOCABULARY, openai="reads {}"),
    "hf_tokenizer_name": Rule(
        lambda _, section: (None, "", *_named_openai(section)), "has a tokenizer of its own"
    ),
    "tokenizer_mode": only(None, "", openai="has one tokenizer"),
    "tokenizer_kwargs": only(None, {}, openai="has one tokenizer"),
    "width": size(lambda s: s.text_width),
    "heads": Rule(lambda s, _: (s.text_heads,), "has {}, 64 wide each", 8),
    "layers": size(lambda s: s.text_layers),
    "embed_cls": only(False, None, openai="takes the end token"),
    "no_causal_mask": only(False, None, openai="lets no token look ahead"),
    "pool_type": Rule(
        lambda _, section: ("argmax", "eos") if section.get("eos_id") == END_ID else ("argmax",),
        "takes the end token, {}",
    ),
    "proj_bias": only(False, None, openai="has none"),
    "proj_type": only("linear", openai="projects by a matrix, {}"),
    "hf_model_name": only(None, "", openai="has no text tower of transformers"),
}
SECTIONS = {"visual": ("vision_cfg", VISION), "textual": ("text_cfg", TEXT)}
TOP = {
    "embed_dim": size(lambda s: s.embed_dim),
    "quick_gelu": only(True, openai="computes QuickGELU: {}", absent=False),
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
        "final_ln_after_pool",
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


def check(path, sizes):
    """Whether an open_clip_config.json is there. Refuses another network."""
    place = described.beside(path, FILE)
    model = described.section(described.read(place), "model_cfg", place)
    if model is None:
        return False
    _check_section(path, model, TOP, sizes, "model_cfg")
    for tower in sizes.towers:
        name, table = SECTIONS[tower]
        section = described.section(model, name, place)
        if section is not None:
            _check_section(path, section, table, sizes, name)
    return True


def _check_section(path, section, table, sizes, name):
    place = f"{name} of {FILE}"
    rules.check(path, section, table, sizes, place)
    rules.check_known(path, section, table.keys() | HARMLESS[name], place)
