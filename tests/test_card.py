"""The model card of the shipped models, as it would be published."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import jinja2.meta
import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from clip_onnx.settings import params
from stages.evalset import drawings
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
    assert "a small test model" in text and "| nan" not in text
    assert "None" not in text.replace(example("python", text), "")
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
def test_the_card_shows_only_files_that_are_there():
    release = shipped("tiny-vit")
    for kept, dtype in (("int6w", None), ("fp16", "fp16")):
        files = {
            path: file for path, file in release.files.items() if file["key"].endswith(f".{kept}")
        }
        text = card.text(release._replace(files=files))
        assert f"onnx/text_model_{kept}.onnx" in example("python", text)
        assert ("```js" in text) == bool(dtype)
        assert "vision_model.onnx" not in text
    (only,) = [path for path in release.files if path == "onnx/vision_model_int6w.onnx"]
    text = card.text(release._replace(files={only: release.files[only]}))
    assert "```python" not in text and "Which files" not in text


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


def fill(folder):
    """Put picture.png, a large red circle, and the bundle as `a-clip` into a folder."""
    label = next(label for label in drawings.LABELS if str(label) == "large red circle")
    picture = drawings.draw(np.random.default_rng(3), label, 200)
    Image.fromarray(picture).save(folder / "picture.png")
    (folder / "a-clip").symlink_to(Path("data/bundles/tiny-vit").resolve())


def example(language, text=None):
    """The code of that language in a card, ."""
    text = text or card.text(shipped("tiny-vit")._replace(target="a-clip"))
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


@has_bundles
def test_the_cards_python_runs_as_it_is_pasted(tmp_path):
    fill(tmp_path)
    code = example("python")
    assert code.count("from huggingface_hub import snapshot_download\n") == 1
    code = code.replace("from huggingface_hub import snapshot_download\n", "")
    line = [sys.executable, "-c", f"snapshot_download = str\n{code}"]  # the network's part
    printed = subprocess.run(line, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    circle, star = map(float, re.findall(r"float32\((-?[\d.]+)\)", printed))
    assert circle > 0.8 > star


@has_bundles
def test_the_card_names_a_pair_for_each_use():
    release = shipped("tiny-rn")
    rows = [row.split("|")[1:-1] for row in card.pairs(release).splitlines()[2:]]
    found = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}
    assert [*found] == [*card.USES]
    phone = found["a phone, for the memory"]
    # A ResNet's convolutions have no such operator.
    assert phone[:2] == ["`vision_model_int4w.onnx`", "`text_model_q4.onnx`"]
    sizes = [(release.bundle / "onnx" / name.strip("`")).stat().st_size for name in phone[:2]]
    assert float(phone[2]) == pytest.approx(sum(sizes) / 1e6, abs=0.005)
