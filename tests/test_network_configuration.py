"""What lies beside weights says whose network they are of, and what differs from OpenAI's."""

import dataclasses
import re

import pytest
from configurations import CONFIG, OPEN_CLIP, RESNET, VIT, changed, check, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_onnx import command
from clip_onnx.checkpoint.architecture import Architecture
from clip_onnx.checkpoint.network import Blocks, Network
from stages.download import configuration, families, hugging_face, open_clip, open_clip_fields

BUILT = [  # of either family: a file, a change of it, and what is another way then
    ("config.json", "vision_config.hidden_act", "gelu", "visual", {"activation": "gelu"}),
    ("config.json", "text_config.hidden_act", "gelu_new", "textual", {"activation": "gelu_tanh"}),
    ("config.json", "text_config.layer_norm_eps", 1e-6, "textual", {"eps": 1e-6}),
    ("config.json", "vision_config.num_attention_heads", 4, "visual", {"head_width": 32}),
    (open_clip.FILE, "model_cfg.vision_cfg.head_width", 32, "visual", {"head_width": 32}),
    (open_clip.FILE, "model_cfg.text_cfg.heads", 8, "textual", {"head_width": 16}),
    (open_clip.FILE, "model_cfg.text_cfg.norm_kwargs", {"eps": 1e-6}, "textual", {"eps": 1e-6}),
    (open_clip.FILE, "model_cfg.quick_gelu", False, "visual", {"activation": "gelu"}),
]


@pytest.mark.parametrize(("file", "place", "value", "tower", "blocks"), BUILT)
def test_other_networks_are_built_as_their_package_defines_them(
    tmp_path, file, place, value, tower, blocks
):
    content = changed(CONFIG if file == "config.json" else OPEN_CLIP, place, value)
    network = check(tmp_path, {file: content})
    assert network.family == ("huggingface" if file == "config.json" else "open_clip")
    assert network.blocks[tower] == Blocks(**blocks)
    *sections, field = place.removeprefix("model_cfg.").split(".")
    kept = network.configuration[sections[0]] if sections else network.configuration
    assert kept[field] == value


@pytest.mark.parametrize("file", ["config.json", open_clip.FILE])
def test_what_describes_openais_network_is_openais(tmp_path, file):
    content = CONFIG if file == "config.json" else OPEN_CLIP
    assert check(tmp_path, {file: content}) == Network()


def test_what_the_tensors_say_of_the_mlps_must_be_what_the_configuration_says(tmp_path):
    narrow = Blocks(mlp_width=192)
    sizes = dataclasses.replace(VIT, visual=narrow, textual=narrow)
    content = changed(OPEN_CLIP, "model_cfg.vision_cfg.mlp_ratio", 1.5)
    message = refusal(tmp_path, {open_clip.FILE: content}, sizes)
    said = "mlp_ratio in text_cfg of open_clip_config.json is absent, which means 4.0, OpenAI's"
    assert said in message
    content = changed(content, "model_cfg.text_cfg.mlp_ratio", 1.504)  # 192.5 channels, cut to 192
    network = check(tmp_path, {open_clip.FILE: content}, sizes)
    assert network.visual == network.textual == narrow
    message = refusal(tmp_path, {"config.json": CONFIG}, sizes)
    assert "intermediate_size in vision_config of config.json is 512, OpenAI's code goes" in message


SCALED = Blocks(layer_scale=True)
AFTER = {"pool_type": "avg", "final_ln_after_pool": True}
OF_OPEN_CLIP = [
    ("vision_cfg", {"ls_init_value": 1e-4}, {"visual": SCALED}),
    ("text_cfg", {"ls_init_value": 1}, {"textual": SCALED}),
    ("vision_cfg", {"no_ln_pre": True}, {"visual": Blocks(pre_norm=False)}),
    ("vision_cfg", {"pool_type": "avg"}, {"visual": Blocks(pooling="mean_of_norms")}),
    ("vision_cfg", AFTER, {"visual": Blocks(pooling="norm_of_mean")}),
]


@pytest.mark.parametrize(("section", "fields", "blocks"), OF_OPEN_CLIP)
def test_what_only_open_clips_networks_have(tmp_path, section, fields, blocks):
    tensors = {t: dataclasses.replace(how, pooling="token") for t, how in blocks.items()}
    sizes, content = dataclasses.replace(VIT, **tensors), OPEN_CLIP
    for field, value in fields.items():
        content = changed(content, f"model_cfg.{section}.{field}", value)
    network = check(tmp_path, {open_clip.FILE: content}, sizes)
    assert network.family == "open_clip"
    assert network.blocks == {"visual": Blocks(), "textual": Blocks()} | blocks
    assert network.configuration[section].items() >= fields.items()


@pytest.mark.parametrize(
    ("tower", "blocks", "field"),
    [
        ("visual", SCALED, "ls_init_value in vision_cfg of open_clip_config.json is null"),
        ("textual", SCALED, "ls_init_value in text_cfg of open_clip_config.json is null"),
        (
            "visual",
            Blocks(pre_norm=False),
            "no_ln_pre in vision_cfg .* is absent, which means false, .*has a LayerNorm there",
        ),
    ],
)
def test_what_only_open_clips_tensors_have_its_configuration_says(tmp_path, tower, blocks, field):
    sizes = dataclasses.replace(VIT, **{tower: blocks})
    assert re.search(field, refusal(tmp_path, {open_clip.FILE: OPEN_CLIP}, sizes))
    (tmp_path / open_clip.FILE).unlink()
    for activation in ("quick_gelu", "gelu"):
        message = refusal(tmp_path, {}, sizes, activation)
        assert re.search(r"is another network than OpenAI's: .*\((ls_1, ls_2|ln_pre)\)", message)
    message = refusal(tmp_path, {"config.json": CONFIG}, sizes)
    assert message.endswith(f": put its {open_clip.FILE} beside it")
    assert "is open_clip's network, for " in message


@pytest.mark.parametrize(
    ("place", "usual", "ours"),
    [
        ("vision_cfg.width", 768, 128),
        ("vision_cfg.layers", 12, 2),
        ("vision_cfg.image_size", 224, 64),
        ("text_cfg.width", 512, 128),
        ("text_cfg.layers", 12, 2),
    ],
)
def test_what_open_clip_takes_for_sizes_of_its_own_is_refused(tmp_path, place, usual, ours):
    content = changed(OPEN_CLIP, f"model_cfg.{place}", None)
    section, name = place.split(".")
    del content["model_cfg"][section][name]
    message = refusal(tmp_path, {open_clip.FILE: content})
    assert f"absent, which means {usual}, OpenAI's code goes by the tensors" in message
    assert message.endswith(f"which say {ours}")


def test_sizes_that_a_configuration_leaves_out_are_kept(tmp_path):
    sizes = Architecture(512, 224, 12, 768, 16, 77, 49408, 512, 12)
    sections = {"vision_cfg": {}, "text_cfg": {}}
    network = check(tmp_path, {open_clip.FILE: {"model_cfg": sections}}, sizes)
    assert network.configuration == {
        "embed_dim": 512,
        "quick_gelu": False,
        "vision_cfg": {"layers": 12, "width": 768, "patch_size": 16, "image_size": 224},
        "text_cfg": {"width": 512, "layers": 12, "context_length": 77},
    }


def test_two_configurations_of_different_networks_are_refused(tmp_path):
    gelu = changed(OPEN_CLIP, "model_cfg.quick_gelu", False)
    message = refusal(tmp_path, {"config.json": CONFIG, open_clip.FILE: gelu})
    assert message.startswith("config.json and open_clip_config.json beside ")
    both = changed(
        changed(CONFIG, "vision_config.hidden_act", "gelu"), "text_config.hidden_act", "gelu"
    )
    files = {"config.json": both, open_clip.FILE: gelu}
    assert check(tmp_path, files).family == "open_clip"
    theirs = configuration.check(tmp_path / "x", VIT, None, families.HUGGING_FACE)
    assert theirs.family == "huggingface"


def test_an_activation_of_params_that_a_configuration_contradicts(tmp_path):
    files = {open_clip.FILE: changed(OPEN_CLIP, "model_cfg.quick_gelu", False)}
    assert check(tmp_path, files, activation="gelu").visual == Blocks(activation="gelu")
    message = refusal(tmp_path, files, activation="quick_gelu")
    assert (
        "activation in params.yaml is quick_gelu, the configuration beside it says gelu" in message
    )


def test_without_a_configuration_gelu_is_open_clips(tmp_path):
    network = check(tmp_path, {}, activation="gelu")
    assert (network.family, network.visual) == ("open_clip", Blocks(activation="gelu"))
    assert network.configuration["text_cfg"]["heads"] == 2
    assert "computes quick_gelu; put its configuration" in refusal(tmp_path, {}, RESNET, "gelu")
    for change, message in {
        "vision_width": "a visual width of 1280 is ViT-H's, whose attention heads are not 64 wide",
        "text_width": "a width of 1000 is no multiple of 64, a head's",
    }.items():
        width = 1280 if change == "vision_width" else 1000
        sizes = dataclasses.replace(VIT, **{change: width})
        assert message in refusal(tmp_path, {}, sizes, "gelu")
    narrow = dataclasses.replace(VIT, textual=Blocks(mlp_width=192))
    assert "MLPs of its textual tower are 192 wide" in refusal(tmp_path, {}, narrow, "quick_gelu")


def test_a_resnet_is_built_with_openais_blocks_alone(tmp_path):
    vision = {"layers": [1, 1, 1, 2], "width": 8, "patch_size": None, "image_size": 64}
    resnet = changed(OPEN_CLIP, "model_cfg.vision_cfg", vision)
    for place, value in {"quick_gelu": False, "text_cfg.heads": 4}.items():
        files = {open_clip.FILE: changed(resnet, f"model_cfg.{place}", value)}
        assert place.split(".")[-1] in refusal(tmp_path, files, RESNET)


@pytest.mark.parametrize(("width", "heads"), [(40, 0), (200, 3), (40, 1.0)])
def test_heads_that_do_not_divide_the_width(tmp_path, width, heads):
    """Also where OpenAI's code would have as many: the width over 64."""
    sizes = dataclasses.replace(VIT, text_width=width)
    content = changed(OPEN_CLIP, "model_cfg.text_cfg.width", width)
    content = changed(content, "model_cfg.text_cfg.heads", heads)
    if heads == 1.0:
        network = check(tmp_path, {open_clip.FILE: content}, sizes)
        for number in (network.textual.head_width, network.configuration["text_cfg"]["heads"]):
            assert isinstance(number, int)
    else:
        assert "heads in text_cfg" in refusal(tmp_path, {open_clip.FILE: content}, sizes)


@pytest.mark.parametrize("ratio", [1e308, -1, True, "4", 10**400, 3.99])
def test_ratios_that_are_none(tmp_path, ratio):
    content = changed(OPEN_CLIP, "model_cfg.vision_cfg.mlp_ratio", ratio)
    assert "mlp_ratio in vision_cfg" in refusal(tmp_path, {open_clip.FILE: content})


def test_sides_that_are_written_twice_are_kept_as_one(tmp_path):
    content = changed(CONFIG, "vision_config.hidden_act", "gelu")
    content = changed(content, "vision_config.image_size", [64, 64])
    network = check(tmp_path, {"config.json": content})
    assert network.configuration["vision_config"]["image_size"] == 64


VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2, 4, 64, 2.0, 1e-6, 1e308, 10**400, -1, "gelu", ""]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.sampled_from([0, 64, "gelu", None]), max_size=2),
    st.dictionaries(
        st.sampled_from(["eps", "approximate"]), st.sampled_from([1e-6, "tanh", None, []])
    ),
)
PLACES = [
    *(("config.json", f"vision_config.{field}") for field in hugging_face.VISION),
    *(("config.json", f"text_config.{field}") for field in hugging_face.TEXT),
    *((open_clip.FILE, f"model_cfg.vision_cfg.{field}") for field in open_clip_fields.VISION),
    *((open_clip.FILE, f"model_cfg.text_cfg.{field}") for field in open_clip_fields.TEXT),
    *((open_clip.FILE, f"model_cfg.{field}") for field in open_clip_fields.TOP),
]


@settings(max_examples=400, suppress_health_check=[*HealthCheck])
@given(place=st.sampled_from(PLACES), value=VALUES, sizes=st.sampled_from([VIT, RESNET]))
def test_any_value_of_a_field_is_taken_or_refused_in_a_line(tmp_path, place, value, sizes):
    (tmp_path / "config.json").unlink(missing_ok=True)
    (tmp_path / open_clip.FILE).unlink(missing_ok=True)
    content = changed(CONFIG if place[0] == "config.json" else OPEN_CLIP, place[1], value)
    try:
        network = check(tmp_path, {place[0]: content}, sizes)
    except command.Refusal as refused:
        assert str(refused) == command.one_line(refused)
    else:
        for how in network.blocks.values():
            assert type(how.head_width) is int and how.head_width > 0 and 0 < how.eps < 1
