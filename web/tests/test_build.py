"""What `make web` writes, without a browser."""

import json

import pytest
from pages import BUNDLES, MODEL, ROOT

from stages import command
from web import build, index

ENCODINGS = {"fp32", "int8w", "int8-static"}


@pytest.fixture(scope="module")
def listed(site):
    models = json.loads((site / "models/index.json").read_text())["models"]
    return {model["name"]: model for model in models}


def test_every_listed_file_is_there_with_its_size_and_parity(site, listed):
    parity = json.loads((ROOT / "metrics/parity.json").read_text())
    assert set(listed) == {"tiny-vit", "tiny-rn"}
    for model in listed.values():
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


def test_broken_bundle_is_named(tmp_path):
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit/golden.json").write_text("{}")
    with pytest.raises(command.Refusal, match="vit/config.json cannot be read"):
        index.build(tmp_path, {}, ENCODINGS)


def test_missing_library_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "MODULES", tmp_path)
    with pytest.raises(command.Refusal, match="npm ci --ignore-scripts --prefix web"):
        build.copy_libraries(tmp_path / "vendor")


def test_occupied_port_is_refused_with_the_remedy(site):
    from runtimes import browser

    with browser.serving({"/": site}) as address, pytest.raises(command.Refusal, match="PORT="):
        build.serve(site, int(address.rsplit(":", 1)[1]))
