"""open_clip's registry: which of the networks that it names are built, and what refuses others.

Networks are made on torch's meta device, so that no weight takes any memory.
"""

import json
import re

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP

from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import tokens
from stages.download import configuration, families
from stages.download.open_clip import FILE

import small

OTHERS = ("timm_model_name", "hf_model_name")  # towers of other packages
PAGE = (small.ROOT / "docs/models.md").read_text("utf-8")


def is_clip(config):
    """Whether both towers are open_clip's own, and read the tokens that all CLIPs share."""
    sections = config["vision_cfg"], config["text_cfg"]
    foreign = any(section.get(name) for section in sections for name in OTHERS)
    known = config["text_cfg"].get("vocab_size", tokens.SIZE)
    return not foreign and "multimodal_cfg" not in config and known == tokens.SIZE


CONFIGS = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
CLIPS = [name for name, config in CONFIGS.items() if is_clip(config)]
REFUSED = {
    name: "quick_gelu in model_cfg of open_clip_config.json is absent, which means false"
    for name in CLIPS
    if name.startswith("RN") and not CONFIGS[name].get("quick_gelu")
}


def network(name, folder):
    """What is read of a network by its tensors' shapes and its configuration beside them."""
    config = dict(CONFIGS[name])
    kind = CustomTextCLIP if config.pop("custom_text", False) else CLIP
    with torch.device("meta"):
        state = kind(**config).state_dict()
    shapes = {key.removeprefix("text."): tuple(value.shape) for key, value in state.items()}
    content = json.dumps({"model_cfg": CONFIGS[name]})
    (folder / FILE).write_text(content, "utf-8")
    sizes = architecture.read(shapes)
    found = configuration.check(folder / "weights", sizes, None, families.OPENAI)
    return sizes, found


@pytest.mark.parametrize("name", [name for name in CLIPS if name not in REFUSED])
def test_its_clips_are_built(name, tmp_path):
    sizes, found = network(name, tmp_path)
    config = CONFIGS[name]
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    assert {blocks.activation for blocks in found.blocks.values()} == {activation}
    heads = config["text_cfg"]["heads"]
    assert sizes.text_width // found.textual.head_width == heads
    if sizes.vit:
        assert found.visual.head_width == config["vision_cfg"].get("head_width", 64)
    assert sizes.resolution == config["vision_cfg"]["image_size"]
    assert sizes.context_length == config["text_cfg"].get("context_length", 77)


@pytest.mark.parametrize("name", REFUSED)
def test_its_others_are_refused_by_a_field(name, tmp_path):
    with pytest.raises(command.Refusal, match=REFUSED[name]):
        network(name, tmp_path)


def test_a_name_is_as_good_as_the_file(tmp_path):
    sizes, found = network("ViT-S-32-alt", tmp_path)
    (tmp_path / FILE).unlink()
    again = configuration.check(
        tmp_path / "weights", sizes, None, families.OPENAI, registered="ViT-S-32-alt"
    )
    assert again == found and found.family == "open_clip"
    with pytest.raises(command.Refusal, match="patch_size in vision_cfg of open_clip's ViT-S-16-a"):
        configuration.check(
            tmp_path / "weights", sizes, None, families.OPENAI, registered="ViT-S-16-alt"
        )


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        ("ViT-S-32-Alt", "ViT-S-32-Alt` in params.yaml is no name .*: take ViT-S-32-alt$"),
        ("zzz", "is no name of open_clip's registry: `open_clip.list_models"),
        (
            "ViT-S-32-alt",
            "params.yaml says `open_clip: ViT-S-32-alt`, and .*: take one of them out",
        ),
    ],
)
def test_a_name_that_is_none_or_one_too_many_is_refused(tmp_path, registered, said):
    sizes, _ = network("ViT-S-32-alt", tmp_path)
    if "take one" not in said:
        (tmp_path / FILE).unlink()
    with pytest.raises(command.Refusal, match=said) as refusal:
        configuration.check(
            tmp_path / "weights", sizes, None, families.OPENAI, registered=registered
        )
    assert "\n" not in str(refusal.value)


def test_a_file_that_says_how_pictures_are_prepared_may_lie_beside_a_name(tmp_path):
    sizes, found = network("ViT-S-32-alt", tmp_path)
    (tmp_path / FILE).write_text('{"preprocess_cfg": {"resize_mode": "squash"}}', "utf-8")
    assert found == configuration.check(
        tmp_path / "weights", sizes, None, families.OPENAI, registered="ViT-S-32-alt"
    )


def test_a_name_that_contradicts_an_archive_of_openais_is_refused(tmp_path):
    sizes, _ = network("ViT-B-32", tmp_path)
    (tmp_path / FILE).unlink()
    stated = (tmp_path / "weights", sizes, None, families.OPENAI, "quick_gelu")
    with pytest.raises(command.Refusal, match="computes gelu, and .*take the name that ends in"):
        configuration.check(*stated, registered="ViT-B-32")
    assert configuration.check(*stated, registered="ViT-B-32-quickgelu").family == "openai"


@pytest.mark.parametrize("name", ["ViT-L-14-CLIPA", "ViT-H-14-worldwide"])
def test_other_tokens_are_refused_by_their_number(name, tmp_path):
    known = CONFIGS[name]["text_cfg"]["vocab_size"]
    with pytest.raises(command.Refusal, match=f"vocab_size in .* is {known}, .* reads 49408"):
        network(name, tmp_path)


def test_the_page_says_how_many_weights_can_be_built_at_least():
    """Of weights that are listed under several names, that of their own activation counts."""
    built = {name for name in CLIPS if name not in REFUSED}
    places = set()
    for name, tag in open_clip.list_pretrained():
        found = open_clip.get_pretrained_cfg(name, tag)
        quick = CONFIGS[name].get("quick_gelu", False)
        if name in built and found.get("quick_gelu", False) == quick:
            places.add(found.get("url") or found["hf_hub"])
    (said,) = re.findall(r"at least (\d+) of the weights", PAGE)
    assert len(places) >= int(said) > 60
