"""Bundles from elsewhere, mutated: the site lists their files or refuses them in a line.

Nothing that it lists lies outside the bundle's folder.
"""

import json
import random

import onnx
import pytest

from clip_onnx import command
from clip_onnx.settings import params
from web import bundles, figures, index

import budget
import json_mutations

JSON = ("golden.json", "preprocessor_config.json", "config.json", "tokenizer.json")
VALUES = ["m.visual.fp32", "m.classifier.fp32"]
NAMES = ["", "..", "../secret", "/etc/passwd", "onnx/../../secret", "a\\b", "x\0y", "x" * 5000, "é"]
NAMES += ["link.onnx", "golden.json", "https://elsewhere/x", "onnx", "onnx/", ".hidden", "\ud800"]
GRAPH = """<ir_version: 8, opset_import: ["" : 18]>
model (float[n, 4] pixel_values) => (float[n, 4] probabilities) {
    probabilities = Neg (pixel_values) }"""


@pytest.fixture
def folder(tmp_path):
    """A bundle of files of a few bytes, beside a file that is none of its."""
    (tmp_path / "secret").write_text("secret", "utf-8")
    bundle = tmp_path / "bundles/m"
    (bundle / "onnx").mkdir(parents=True)
    (bundle / "link.onnx").symlink_to(tmp_path / "secret")
    model = onnx.parser.parse_model(GRAPH)
    model.metadata_props.add(key="labels", value=json.dumps(["a", "b"]))
    onnx.save(model, bundle / "onnx/classifier.onnx")
    graphs = {
        "visual": "onnx/v.onnx",
        "textual": "onnx/t.onnx",
        "classifier": "onnx/classifier.onnx",
    }
    for name in ("visual", "textual"):
        (bundle / graphs[name]).write_bytes(b"graph")
    files = {path: {"key": f"m.{name}.fp32", "graph": name} for name, path in graphs.items()}
    contents = {
        "golden.json": {"files": files, "logit_scale": 30.0},
        "preprocessor_config.json": {
            "crop_size": {"height": 64, "width": 64},
            "do_center_crop": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.2, 0.2, 0.2],
        },
        "config.json": {"projection_dim": 4},
        "tokenizer.json": {},
        "tokenizer_config.json": {"model_max_length": 77},
    }
    for name, content in contents.items():
        (bundle / name).write_text(json.dumps(content), "utf-8")
    return bundle


def flipped(rng, content):
    content = bytearray(content)
    content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content[: rng.choice([len(content), rng.randrange(len(content) + 1)])])


def test_any_bundle_is_listed_or_refused_in_a_line(folder):
    settings = params.load()
    nothing = figures.Figures({}, {}, settings)
    names = [*JSON[:1] * 4, *JSON, "onnx/classifier.onnx"]

    def attempt(rng):
        """Whether the bundle was listed."""
        path = folder / rng.choice(names)
        whole = path.read_bytes()
        new = (
            json_mutations.changed(rng, json.loads(whole), VALUES, NAMES)
            if path.suffix == ".json"
            else flipped(rng, whole)
        )
        path.write_bytes(new)
        try:
            content = index.build(folder.parent, nothing, set(settings.encodings))
        except command.Refusal as refusal:
            assert len(str(refusal).splitlines()) == 1, refusal
            return False
        finally:
            path.write_bytes(whole)
        for model in content["models"]:
            for file in (*model["tokenizer"], *model["files"]):
                inside = (folder.parent / file["path"]).resolve()
                assert inside.is_relative_to(folder) and inside.is_file()
        assert json.loads(json.dumps(content, allow_nan=False)) == content
        return True

    listed = [attempt(rng) for rng in budget.rounds(random.Random)]
    assert 0.05 * len(listed) < sum(listed) < len(listed)
    assert [bundle.name for bundle in bundles.found(folder.parent)] == ["m"]
    print(f"{len(listed)} bundles, {sum(listed)} of them listed")
