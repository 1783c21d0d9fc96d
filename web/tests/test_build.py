"""What `make web` writes, without a browser."""

import json
import shutil

import pytest
from pages import BUNDLES, MODEL, ROOT

from clip_onnx import command
from clip_onnx.settings import params
from web import build, index

ENCODINGS = {"fp32", "int8w", "int8-static"}


def built():
    """The models of the grid, as far as their bundles are built."""
    return [
        name for name in params.load(ROOT / "params.yaml").grid.models if (BUNDLES / name).exists()
    ]


@pytest.fixture(scope="module")
def listed(site):
    models = json.loads((site / "models/index.json").read_text())["models"]
    return {model["name"]: model for model in models}


def test_every_listed_file_is_there_with_its_size_and_parity(site, listed):
    parity = json.loads((ROOT / "metrics/parity.json").read_text())
    for model in (listed[name] for name in built()):
        assert (site / "models" / model["tokenizer"]).is_file()
        for file in model["files"]:
            assert (site / "models" / file["path"]).stat().st_size == file["bytes"]
            name = file.get("name", file["graph"])
            expected = parity[model["name"]][name][file["variant"]]["cosine_min"]
            assert file["parity"]["cosine_min"] == expected


def test_files_of_other_runtimes_are_left_out(site, listed):
    variants = {file["variant"] for file in listed[MODEL]["files"]}
    assert "int8w" in variants and not variants & {"onnxjs", "npu"}
    assert not list((site / "models").rglob("*onnxjs*"))


def test_classifier_carries_its_labels_and_the_model_its_scale(listed):
    (classifier,) = [f for f in listed[MODEL]["files"] if f["graph"] == "classifier"]
    assert len(classifier["labels"]) == 128
    assert 1 < listed[MODEL]["logit_scale"] <= 100
    assert listed[MODEL]["side"] == 64


def test_file_that_was_not_measured_has_no_parity():
    content = index.build(BUNDLES, {}, ENCODINGS)
    assert all(file["parity"] is None for model in content["models"] for file in model["files"])


def test_no_bundle_is_an_empty_list(tmp_path):
    assert index.build(tmp_path, {}, ENCODINGS) == {"models": []}


def test_models_come_in_the_order_of_the_grid_then_by_name(listed, tmp_path):
    assert list(listed)[: len(built())] == built()
    for name in ("b", "a", "c"):
        shutil.copytree(BUNDLES / MODEL, tmp_path / name)
    content = index.build(tmp_path, {}, ENCODINGS, ["not-built", "c"])
    assert [model["name"] for model in content["models"]] == ["c", "a", "b"]


@pytest.fixture
def bundle(tmp_path):
    """A copy of a bundle, to break."""
    return shutil.copytree(BUNDLES / MODEL, tmp_path / "bundles" / MODEL)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("golden.json", "{}", "golden.json has no files"),
        ("golden.json", "[]", "golden.json has no files"),
        ("preprocessor_config.json", '{"crop_size": 64}', "has no crop_size.height"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", None, "config.json cannot be read"),
        ("onnx/classifier.onnx", None, "classifier.onnx is missing"),
        ("onnx/model.onnx", None, "/model.onnx is missing"),
        ("onnx/vision_model_int6w.onnx", None, "vision_model_int6w.onnx is missing"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
    ],
)
def test_what_is_wrong_with_a_bundle_is_named_with_the_remedy(
    bundle, tmp_path, monkeypatch, file, content, said
):
    (bundle / file).unlink()
    if content:
        (bundle / file).write_text(content)
    monkeypatch.chdir(ROOT)
    with pytest.raises(command.Refusal, match=f"{said}.*`make`"):
        build.build(tmp_path / "site", bundle.parent, ROOT / "metrics/parity.json")
    assert not (tmp_path / "site").exists()


def test_bundle_does_not_change_with_the_site(bundle, tmp_path):
    content = index.build(bundle.parent, {}, ENCODINGS)
    build.copy_models(bundle.parent, content, tmp_path / "models")
    (tmp_path / "models" / MODEL / "tokenizer.json").write_text("edited")
    assert (bundle / "tokenizer.json").read_text() != "edited"


def test_folder_of_something_else_is_kept(tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html/index.html").write_text("mine")
    for output in (tmp_path / "html", tmp_path / "html/index.html"):
        with pytest.raises(command.Refusal, match="holds something else"):
            build.build(output, BUNDLES, ROOT / "metrics/parity.json")
    assert (tmp_path / "html/index.html").read_text() == "mine"
    (tmp_path / "html/models").mkdir()
    (tmp_path / "html/models/index.json").write_text("{}")
    build.refuse_to_replace(tmp_path / "html")  # an earlier build
    build.refuse_to_replace(tmp_path / "new")


def test_missing_library_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "MODULES", tmp_path)
    with pytest.raises(command.Refusal, match="npm ci --ignore-scripts --prefix web"):
        build.copy_libraries(tmp_path / "vendor")


def test_occupied_port_is_refused_with_the_remedy(site):
    from runtimes import browser

    with browser.serving({"/": site}) as address, pytest.raises(command.Refusal, match="PORT="):
        build.serve(site, int(address.rsplit(":", 1)[1]))


def test_port_out_of_range_is_refused_with_the_remedy(site):
    with pytest.raises(command.Refusal, match="port 99999: .*PORT="):
        build.serve(site, 99999)
