"""The model card of the shipped models, as it would be published."""

import json
from pathlib import Path

import jinja2
import jinja2.meta
import pytest
from huggingface_hub import ModelCard

from clip_onnx.settings import params
from tools import card, checkpoint_origin

import small

has_bundles = pytest.mark.skipif(
    not Path("data/bundles/tiny-vit").is_dir(), reason="make builds data/bundles"
)


def shipped(model):
    """The Release of one of the models that ship with the project."""
    settings = params.load()
    bundle = Path("data/bundles") / model
    files = json.loads((bundle / "golden.json").read_text("utf-8"))["files"]
    parity = json.loads(Path("metrics/parity.json").read_text("utf-8"))
    sha256 = settings.models[model].sha256
    origin = checkpoint_origin.of(settings, model, sha256)
    return card.Release(
        model, "someone/a-clip", files, bundle, parity, settings, sha256, origin, "0" * 40
    )


@has_bundles
@pytest.mark.parametrize("model", small.TINY)
def test_the_shipped_models_cards_hold_the_figures_of_all_their_files(model):
    release = shipped(model)
    text, files = card.text(release), release.files
    assert "a small test model" in text and "None" not in text and "| nan" not in text
    assert {path for path in files if f"`{path}`" in text} == set(files)
    assert set(files) == {f"onnx/{path.name}" for path in release.bundle.glob("onnx/*.onnx")}
    assert ModelCard(text).data.to_dict() == card.front_matter(release).to_dict()


@has_bundles
def test_the_card_is_given_what_its_template_asks_for():
    """Jinja leaves a name out that it is not given, and says nothing."""
    template = jinja2.Environment().parse(card.TEMPLATE.read_text("utf-8"))
    asked = jinja2.meta.find_undeclared_variables(template)
    given = card.content(shipped(small.TINY[0]))
    assert asked == given.keys() | {"card_data"}
    assert all(given.values())


@has_bundles
@pytest.mark.parametrize(
    ("tower", "task", "shown", "left_out"),
    [
        ("visual", "image-feature-extraction", "CLIPVisionModelWithProjection", "text_model"),
        ("textual", "feature-extraction", "CLIPTextModelWithProjection", "vision_model*"),
    ],
)
def test_the_card_of_one_tower_shows_how_that_one_is_used(tower, task, shown, left_out):
    text = card.text(shipped(small.TINY[0])._replace(towers=(tower,)))
    use = text[text.index("## Use") : text.index(" of these files")]
    assert shown in use and left_out not in use
    assert ModelCard(text).data.pipeline_tag == task
