"""config.json of a CLIP in transformers, field by field (CLIPConfig and its two sections, and
MetaClip2Config, which has the same).

Fields that stand in no table cannot change what the two towers compute: dropout, initialisation,
ids of padding, names, versions.
"""

import dataclasses

from clip_onnx.checkpoint.architecture import CONTEXT_LENGTH
from clip_onnx.checkpoint.network import GELU, GELU_TANH, HUGGING_FACE, QUICK_GELU, Network
from clip_onnx.host import tokens
from stages.download import described, rules
from stages.download.rules import Rule, divides, is_eps, only, plain, size, square

FILE = "config.json"
SECTIONS = {"visual": "vision_config", "textual": "text_config"}
METACLIP = "metaclip_2"
TYPES = ("clip", METACLIP)  # model_type, of both towers; of one it says which
ALONE = {
    tower: tuple(f"{kind}_{name}_model" for kind in TYPES)
    for tower, name in {"visual": "vision", "textual": "text"}.items()
}
ACTIVATIONS = {  # of transformers' names, those that the towers compute
    "quick_gelu": QUICK_GELU,
    "gelu": GELU,
    "gelu_python": GELU,
    "gelu_new": GELU_TANH,
    "gelu_fast": GELU_TANH,
    "gelu_accurate": GELU_TANH,
    "gelu_pytorch_tanh": GELU_TANH,
    "gelu_python_tanh": GELU_TANH,
}
EPS = 1e-5  # where a configuration says none, as the sizes below are transformers' own
FIXED = {
    "hidden_act": only(
        "quick_gelu",
        openai='computes {}, transformers of others "gelu" or it by tanh',
        absent="quick_gelu",
        built=lambda s, value: plain(s) and isinstance(value, str) and value in ACTIVATIONS,
    ),
    "layer_norm_eps": only(EPS, openai="has {}, and others one above 0", built=is_eps),
}


def _heads(width, absent):
    """The Rule of how many heads a tower has."""
    openai = "has {}, 64 wide each, and others any number that divides the width"
    return Rule(rules.heads(width), openai, absent, divides(width))


VISION = FIXED | {
    "model_type": only(*ALONE["visual"], *TYPES, openai="is {}"),
    "hidden_size": size(lambda s: s.vision_width, 768),
    "intermediate_size": size(lambda s: s.vision_mlp_width, 3072),
    "num_hidden_layers": size(lambda s: s.vision_layers, 12),
    "num_attention_heads": _heads(lambda s: s.vision_width * (1 if s.vit else 32), 12),
    "num_channels": only(3, openai="reads {}"),
    "image_size": square(lambda s: s.resolution, 224),
    "patch_size": square(lambda s: s.patch_size, 32),
}
TEXT = FIXED | {
    "model_type": only(*ALONE["textual"], *TYPES, openai="is {}"),
    "vocab_size": size(lambda s: s.vocab_size, tokens.SIZE),
    "hidden_size": size(lambda s: s.text_width, 512),
    "intermediate_size": size(lambda s: s.text_mlp_width, 2048),
    "num_hidden_layers": size(lambda s: s.text_layers, 12),
    "num_attention_heads": _heads(lambda s: s.text_width, 8),
    "max_position_embeddings": size(lambda s: s.context_length, CONTEXT_LENGTH),
    "eos_token_id": only(
        tokens.END_ID,
        2,
        openai="takes the embedding at {}",
        built=lambda s, value: plain(s) and type(value) is int and 0 <= value < s.vocab_size,
    ),
}
TABLES = {"visual": VISION, "textual": TEXT}
TOP = {
    "model_type": Rule(lambda s, _: (*TYPES, *(n for t in s.towers for n in ALONE[t])), "is {}"),
    "projection_dim": size(lambda s: s.embed_dim),
    "auto_map": only(None, {}, openai="is no code of the checkpoint's own"),
}


def check(path, sizes):
    """The Network that a config.json beside weights describes, None where there is none that says
    which CLIP it is. Refuses what is not built."""
    place = described.beside(path, FILE)
    config = described.read(place)
    rules.check(path, config, TOP, sizes, FILE)
    kind = config.get("model_type", TYPES[0])
    alone = [t for t in sizes.towers if kind in ALONE[t]]  # one: a section without the whole
    if alone:
        config = {SECTIONS[t]: config for t in alone}
    sections = {}
    for tower in sizes.towers:
        name = SECTIONS[tower]
        for key in (name, f"{name}_dict"):  # the second of older versions, which counts alone
            section = described.section(config, key, place)
            if section is not None:
                sections[tower] = (FILE if alone else f"{key} of {FILE}", section)
    if not sections:
        return None
    sections |= {t: (f"{SECTIONS[t]} of {FILE}", {}) for t in sizes.towers if t not in sections}
    for tower, (found, section) in sections.items():
        rules.check(path, section, TABLES[tower], sizes, found)
    newer = kind.startswith(METACLIP)
    return _network({tower: section for tower, (_, section) in sections.items()}, sizes, newer)


def _network(sections, sizes, newer):
    """The Network of {tower: its section}, all of which were checked; MetaCLIP 2's is `newer`."""
    sections = {t: rules.completed(section, TABLES[t], sizes) for t, section in sections.items()}
    blocks = {tower: _blocks(section, sizes, tower) for tower, section in sections.items()}
    if "textual" in blocks:
        end_id = _end_id(sections["textual"], newer)
        blocks["textual"] = dataclasses.replace(blocks["textual"], end_id=end_id)
    configuration = {SECTIONS[tower]: section for tower, section in sections.items()}
    configuration["projection_dim"] = sizes.embed_dim
    if newer:
        configuration["model_type"] = METACLIP
    return Network(HUGGING_FACE, configuration, **blocks)


def _end_id(section, newer):
    """The id that ends a text, none of CLIP's. 2 is what transformers wrote once of all CLIPs, and
    takes as: where the highest id stands."""
    found = section.get("eos_token_id", tokens.END_ID)
    return None if found == tokens.END_ID or (found == 2 and not newer) else found


def _blocks(section, sizes, tower):
    """The Blocks of a tower, whose MLPs' width the tensors say."""
    if not plain(sizes):
        return getattr(sizes, tower)
    width = sizes.vision_width if tower == "visual" else sizes.text_width
    heads = section.get("num_attention_heads", TABLES[tower]["num_attention_heads"].absent)
    return dataclasses.replace(
        getattr(sizes, tower),
        activation=ACTIVATIONS[section.get("hidden_act", "quick_gelu")],
        eps=section.get("layer_norm_eps", EPS),
        head_width=width // heads,
    )
