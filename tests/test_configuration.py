"""What lies beside weights and contradicts OpenAI's code is refused in a line that names it."""

import json

import pytest
from configurations import CONFIG, OPEN_CLIP, RESNET, VIT, changed, check, refusal

from clip_onnx import command
from stages.download import configuration, hugging_face, open_clip_fields


def test_a_configuration_beside_what_a_link_leads_to_counts(linked):
    folder, link = linked
    content = json.dumps({"vision_config": {"hidden_act": "relu"}})
    (folder / "config.json").write_text(content, "utf-8")
    with pytest.raises(command.Refusal, match="hidden_act"):
        configuration.check(link, VIT, "quick_gelu")


HUGGING_FACE = [
    ("vision_config.num_attention_heads", 3, "has 2, 64 wide each"),
    ("vision_config.image_size", 72, "goes by the tensors, which say 64"),
    ("vision_config.patch_size", 8, "goes by the tensors, which say 16"),
    ("vision_config.num_hidden_layers", 1, "goes by the tensors, which say 2"),
    ("vision_config.intermediate_size", 256, "goes by the tensors, which say 512"),
    ("vision_config.hidden_act", "relu", 'computes "quick_gelu"'),
    ("vision_config.layer_norm_eps", 0, "has 1e-05"),
    ("vision_config.layer_norm_eps", None, "has 1e-05"),
    ("vision_config.image_size", 224, "goes by the tensors, which say 64"),
    ("vision_config.model_type", "siglip_vision_model", 'is "clip_vision_model"'),
    ("text_config.eos_token_id", 3, "takes the embedding at 49407"),
    ("text_config.eos_token_id", [2, 49407], "takes the embedding at 49407"),
    ("text_config.hidden_act", "gelu_10", 'computes "quick_gelu"'),
    ("text_config.hidden_act", ["gelu"], 'computes "quick_gelu"'),
    ("text_config.num_attention_heads", True, "has 2, 64 wide each"),
    ("text_config.max_position_embeddings", 64, "goes by the tensors, which say 77"),
    ("projection_dim", 512, "goes by the tensors, which say 48"),
    ("model_type", "siglip", 'is "clip"'),
    ("auto_map", {"AutoModel": "own.Model"}, "is no code of the checkpoint's own"),
    ("tokenizer_class", "XLMRobertaTokenizer", 'has the tokens of "CLIPTokenizer"'),
]


@pytest.mark.parametrize("section", [{}, None])
@pytest.mark.parametrize("tower", ["vision", "text"])
def test_what_transformers_takes_for_sizes_of_its_own_is_refused(tmp_path, tower, section):
    """Where config.json does not say the sizes, it loads no others than its own."""
    content = changed(CONFIG, f"{tower}_config", section)
    width = {"vision": 768, "text": 512}[tower]
    message = refusal(tmp_path, {"config.json": content})
    assert f"absent, which means {width}, OpenAI's code goes by the tensors" in message


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_older_names_of_sections_count_alone(tmp_path, tower):
    section = CONFIG[f"{tower}_config"]
    content = CONFIG | {f"{tower}_config": {"hidden_size": 1}, f"{tower}_config_dict": section}
    check(tmp_path, {"config.json": content})
    message = refusal(tmp_path, {"config.json": CONFIG | {f"{tower}_config_dict": {}}})
    assert f"in {tower}_config_dict of config.json is" in message


@pytest.mark.parametrize(("place", "value", "openai"), HUGGING_FACE)
def test_hugging_faces_configuration_of_another_network(tmp_path, place, value, openai):
    message = refusal(tmp_path, {"config.json": changed(CONFIG, place, value)})
    section, _, field = place.rpartition(".")
    where = f"{section} of config.json" if section else "config.json"
    assert f"{field} in {where} is {json.dumps(value)}, OpenAI's code {openai}" in message


OPEN_CLIPS = [
    ("vision_cfg.pool_type", "none", 'takes the class token, "tok"'),
    ("vision_cfg.final_ln_after_pool", "yes", "takes one token"),
    ("vision_cfg.head_width", 80, "has heads 64 wide"),
    ("vision_cfg.mlp_ratio", 2, "goes by the tensors, which say 4.0"),
    ("vision_cfg.act_kwargs", {"approximate": "tanh"}, "computes QuickGELU, which takes none"),
    ("vision_cfg.act_kwargs", {"inplace": True}, "has none, and GELU of others"),
    ("vision_cfg.image_size", 72, "goes by the tensors, which say 64"),
    ("vision_cfg.ls_init_value", 1e-5, "scales no layer"),
    ("text_cfg.ls_init_value", False, "scales no layer"),
    ("vision_cfg.no_ln_pre", True, "has a LayerNorm there"),
    ("vision_cfg.norm_kwargs", {"eps": 1e-6, "bias": False}, "has an eps of 1e-5"),
    ("vision_cfg.norm_kwargs", {"eps": 0}, "has an eps of 1e-5"),
    ("vision_cfg.timm_model_name", "vit_base", "has no tower of timm"),
    ("vision_cfg.rope_theta", 100, "knows no such field"),
    ("vision_cfg.someday", None, "knows no such field"),
    ("text_cfg.pool_type", "last", 'takes the end token, "argmax"'),
    ("text_cfg.pool_type", "eos", 'takes the end token, "argmax"'),
    ("text_cfg.no_causal_mask", True, "lets no token look ahead"),
    ("text_cfg.heads", 3, "has 2, 64 wide each"),
    ("text_cfg.hf_tokenizer_name", "timm/ViT-B-16-SigLIP", "has a tokenizer of its own"),
    ("text_cfg.tokenizer_kwargs", {"clean": "canonicalize"}, "has one tokenizer"),
    ("text_cfg.embed_cls", True, "takes the end token"),
    ("quick_gelu", 0, "computes QuickGELU: true"),
    ("embed_dim", 64, "goes by the tensors, which say 48"),
    ("multimodal_cfg", {"layers": 2}, "has no third tower"),
]


@pytest.mark.parametrize(("place", "value", "openai"), OPEN_CLIPS)
def test_open_clips_configuration_of_another_network(tmp_path, place, value, openai):
    content = changed(OPEN_CLIP, f"model_cfg.{place}", value)
    message = refusal(tmp_path, {"open_clip_config.json": content})
    section, _, field = place.rpartition(".")
    where = f"{section or 'model_cfg'} of open_clip_config.json"
    assert f"{field} in {where} is {json.dumps(value)}, OpenAI's code {openai}" in message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("text_config.eos_token_id", 49407),
        ("vision_config.image_size", [64, 64]),
        ("torch_dtype", "float16"),
        ("anything", {"of": "someone's own"}),
    ],
)
def test_what_does_not_change_hugging_faces_network_passes(tmp_path, place, value):
    check(tmp_path, {"config.json": changed(CONFIG, place, value)})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("vision_cfg.patch_dropout", 0.5),
        ("vision_cfg.head_width", 64),
        ("text_cfg.tokenizer_kwargs", {"clean": "lower"}),
        ("text_cfg.hf_tokenizer_name", "openai/clip-vit-base-patch32"),
        ("text_cfg.eos_id", 3),
        ("custom_text", True),
    ],
)
def test_what_does_not_change_open_clips_network_passes(tmp_path, place, value):
    check(tmp_path, {"open_clip_config.json": changed(OPEN_CLIP, f"model_cfg.{place}", value)})


def test_the_end_token_by_its_number_is_openais_pooling(tmp_path):
    content = changed(OPEN_CLIP, "model_cfg.text_cfg.pool_type", "eos")
    content["model_cfg"]["text_cfg"]["eos_id"] = 49407
    check(tmp_path, {"open_clip_config.json": content})


def test_a_resnets_configuration_passes(tmp_path):
    vision = {"layers": [1, 1, 1, 2], "width": 8, "patch_size": None, "image_size": 64}
    content = changed(OPEN_CLIP, "model_cfg.vision_cfg", vision)
    check(tmp_path, {"open_clip_config.json": content}, RESNET)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"null", "config.json holds null, no object: mend or remove it"),
        (b"[" * 100_000, "config.json is no JSON"),
        (b'{"vision_config": 5}', "config.json is 5, no object: mend or remove it"),
        (b'{"text_config": "\\u001b[1m\\n"}', 'is "\\u001b[1m\\n", no object'),
        (b'{"vision_config_dict": {"hidden_act": "relu"}}', "hidden_act in vision_config_dict of"),
        (b"\xff\xfe" * 70, "config.json is no JSON"),
    ],
)
def test_broken_configurations_are_named(tmp_path, content, message):
    assert message in refusal(tmp_path, {"config.json": content})


def test_a_folder_in_the_place_of_a_configuration_is_named(tmp_path):
    (tmp_path / "config.json").mkdir()
    assert "config.json cannot be read (Is a directory)" in refusal(tmp_path, {})


def test_every_field_of_transformers_is_decided():
    """Those of its classes in no table are of training, of names, or of padding."""
    from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig, PreTrainedConfig

    common = vars(PreTrainedConfig())
    left = {
        "attention_dropout",
        "initializer_range",
        "initializer_factor",
        "logit_scale_init_value",
        "bos_token_id",
        "pad_token_id",
        "text_config",
        "vision_config",
    }
    tables = {
        CLIPConfig: hugging_face.TOP,
        CLIPTextConfig: hugging_face.TEXT | {"projection_dim": None},
        CLIPVisionConfig: hugging_face.VISION | {"projection_dim": None},
    }
    for kind, table in tables.items():
        assert vars(kind()).keys() - common - table.keys() <= left


def test_no_field_of_open_clip_is_in_two_tables():
    for name, table in open_clip_fields.SECTIONS.values():
        assert not table.keys() & open_clip_fields.HARMLESS[name]


def test_sections_outside_of_model_cfg_are_refused(tmp_path):
    """As in the files of open_clip's own registry; it would be read as saying nothing."""
    flat = OPEN_CLIP["model_cfg"]
    message = refusal(tmp_path, {"open_clip_config.json": flat}, activation="quick_gelu")
    assert "has its sections outside of model_cfg" in message
