"""config.json of a CLIP in transformers, field by field (CLIPConfig and its two sections).

Fields that stand in no table cannot change what the two towers compute: dropout, initialisation,
ids of padding, names, versions.
"""

from clip_onnx.checkpoint.architecture import CONTEXT_LENGTH, VOCABULARY
from clip_onnx.host.tokens import END_ID
from stages.download import described, rules
from stages.download.rules import Rule, only, size, square

FILE = "config.json"
SECTIONS = {"visual": "vision_config", "textual": "text_config"}
ALONE = {"visual": "clip_vision_model", "textual": "clip_text_model"}  # model_type of a tower
TOKENIZER_CLASS = only(
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "PreTrainedTokenizerFast",  # of any tokenizer.json, whose tokens are compared
    "TokenizersBackend",
    None,
    openai="has the tokens of {}",
)
FIXED = {
    "hidden_act": only("quick_gelu", openai="computes {}", absent="quick_gelu"),
    "layer_norm_eps": only(1e-5, openai="has {}"),
}
VISION = FIXED | {
    "model_type": only("clip_vision_model", "clip", openai="is {}"),
    "hidden_size": size(lambda s: s.vision_width),
    "intermediate_size": size(lambda s: 4 * s.vision_width),
    "num_hidden_layers": size(lambda s: s.vision_layers),
    "num_attention_heads": Rule(lambda s, _: (s.vision_heads,), "has {}, 64 wide each", 12),
    "num_channels": only(3, openai="reads {}"),
    "image_size": square(lambda s: s.resolution),
    "patch_size": square(lambda s: s.patch_size),
}
TEXT = FIXED | {
    "model_type": only("clip_text_model", "clip", openai="is {}"),
    "vocab_size": only(VOCABULARY, openai="reads {}"),
    "hidden_size": size(lambda s: s.text_width),
    "intermediate_size": size(lambda s: 4 * s.text_width),
    "num_hidden_layers": size(lambda s: s.text_layers),
    "num_attention_heads": Rule(lambda s, _: (s.text_heads,), "has {}, 64 wide each", 8),
    "max_position_embeddings": only(CONTEXT_LENGTH, openai="reads {}"),
    # 2 is what transformers wrote once, and takes as: where the highest id stands.
    "eos_token_id": only(END_ID, 2, openai="takes the embedding at {}"),
}
TABLES = {"visual": VISION, "textual": TEXT}
TOP = {
    "model_type": Rule(lambda s, _: ("clip", *(ALONE[tower] for tower in s.towers)), "is {}"),
    "projection_dim": size(lambda s: s.embed_dim),
    "auto_map": only(None, {}, openai="is no code of the checkpoint's own"),
    "tokenizer_class": TOKENIZER_CLASS,
}


def check(path, sizes):
    """Whether a config.json is there that says which CLIP it is. Refuses another network."""
    place = described.beside(path, FILE)
    config = described.read(place)
    rules.check(path, config, TOP, sizes, FILE)
    alone = config.get("model_type") in ALONE.values()  # of one tower: a section without the whole
    if alone:
        config = {SECTIONS[t]: config for t in sizes.towers if ALONE[t] == config["model_type"]}
    said = False
    for tower in sizes.towers:
        name = SECTIONS[tower]
        for key in (name, f"{name}_dict"):  # the second of older versions, which counts for more
            section = described.section(config, key, place)
            if section is not None:
                found = FILE if alone else f"{key} of {FILE}"
                rules.check(path, section, TABLES[tower], sizes, found)
                said = True
    return said
