"""What `make web` writes, without a browser."""

import hashlib
import json
import shutil

import onnx
import pytest
from pages import BUNDLES, MODEL, ROOT

from clip_onnx import command
from clip_onnx.settings import params
from web import build, figures, index

SETTINGS = params.load(ROOT / "params.yaml")
NOT_MEASURED = figures.Figures({}, {}, SETTINGS)
ENCODINGS = {"fp32", "int8w", "int8-static"}


def built():
    """The models of the grid, as far as their bundles are built."""
    return [name for name in SETTINGS.grid.models if (BUNDLES / name).exists()]


@pytest.fixture(scope="module")
def listed(site):
    models = json.loads((site / "models/index.json").read_text("utf-8"))["models"]
    return {model["name"]: model for model in models}


def test_every_listed_file_is_there_with_its_digest_and_parity(site, listed):
    parity = json.loads((ROOT / "metrics/parity.json").read_text("utf-8"))
    for model in (listed[name] for name in built()):
        assert len(model["tokenizer"]) == 2
        for file in (*model["tokenizer"], *model["files"]):
            content = (site / "models" / file["path"]).read_bytes()
            assert len(content) == file["bytes"]
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
        for file in model["files"]:
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
    for model in index.build(BUNDLES, NOT_MEASURED, ENCODINGS)["models"]:
        for file in model["files"]:
            assert (file["parity"], file["runtimes"], file["withheld"]) == (None, {}, {})


def test_figures_are_not_lent_to_a_bundle_of_another_name(tmp_path):
    shutil.copytree(BUNDLES / MODEL, tmp_path / "from-elsewhere")
    parity = json.loads((ROOT / "metrics/parity.json").read_text("utf-8"))
    (model,) = index.build(tmp_path, figures.Figures(parity, {}, SETTINGS), ENCODINGS)["models"]
    assert all(file["parity"] is None for file in model["files"])


def test_a_released_bundle_brings_its_own_figures(bundle):
    graph = {"visual": {"fp32": {"cosine_min": 0.9, "snr_db": 7, "inputs": 3, "size_mb": 1.0}}}
    ran = {"visual": {"fp32": {"cosine": 0.99, "runtime_cosine": 1, "inputs": 2}}}
    metrics = {"parity": {MODEL: graph}, "runtimes": {"onnxruntime-web": {MODEL: ran}}}
    (bundle / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    (model,) = index.build(bundle.parent, NOT_MEASURED, ENCODINGS)["models"]
    (file,) = [f for f in model["files"] if (f["graph"], f["variant"]) == ("visual", "fp32")]
    assert file["parity"] == {"cosine_min": 0.9, "cosine_mean": None, "snr_db": 7, "inputs": 3}
    assert file["withheld"]["wasm"].startswith("cosine to PyTorch 0.99")  # its floor is higher
    assert all(f["parity"] is None for f in model["files"] if f is not file)


def test_external_weights_are_listed_with_their_digest(bundle):
    name = "onnx/vision_model.onnx"
    (bundle / f"{name}_data").write_bytes(b"weights")
    (model,) = index.build(bundle.parent, NOT_MEASURED, ENCODINGS)["models"]
    (file,) = [file for file in model["files"] if file["path"] == f"{MODEL}/{name}"]
    digest = hashlib.sha256(b"weights").hexdigest()
    assert file["data"] == {"path": f"{MODEL}/{name}_data", "bytes": 7, "sha256": digest}


def test_no_bundle_is_an_empty_list(tmp_path):
    assert index.build(tmp_path, NOT_MEASURED, ENCODINGS) == {"models": []}


def test_models_come_in_the_order_of_the_grid_then_by_name(listed, tmp_path):
    assert list(listed)[: len(built())] == built()
    for name in ("b", "a", "c"):
        shutil.copytree(BUNDLES / MODEL, tmp_path / name)
    content = index.build(tmp_path, NOT_MEASURED, ENCODINGS, ["not-built", "c"])
    assert [model["name"] for model in content["models"]] == ["c", "a", "b"]


@pytest.fixture
def bundle(tmp_path):
    """A copy of a bundle, to break."""
    return shutil.copytree(BUNDLES / MODEL, tmp_path / "bundles" / MODEL)


def golden(**changes):
    """golden.json of one file, with an entry changed or, as None, left out."""
    entry = {"key": f"{MODEL}.visual.fp32", "graph": "visual"}
    content = {"files": {"onnx/vision_model.onnx": entry}, "logit_scale": 30.0} | changes
    return json.dumps({key: value for key, value in content.items() if value is not None})


def naming(name):
    return golden(files={name: {"key": f"{MODEL}.visual.fp32", "graph": "visual"}})


OUTSIDE = ("../secret.onnx", "/etc/passwd", "onnx/../../secret", "onnx//x", "./x", ".hidden/x", "")
OUTSIDE += (
    "onnx\\..\\x",
    "a\0b",
    "https://elsewhere/x",
    "x?y",
    "x#y",
    "%2e%2e/x",
    "x\n",
    "ö.onnx",
    "x" * 5000,
    "x/" * 300 + "x",
)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("golden.json", "{}", "golden.json has no files"),
        ("golden.json", "[]", "golden.json is of another form"),
        ("golden.json", golden(files=[]), "golden.json is of another form .files: "),
        (
            "golden.json",
            golden(files={"onnx/x.onnx": {"key": "no-key", "graph": "visual"}}),
            "key: ",
        ),
        ("golden.json", golden(files={"onnx/x.onnx": 5}), "files.onnx/x.onnx: "),
        ("golden.json", golden(logit_scale=None), "golden.json has no logit_scale"),
        ("golden.json", golden(logit_scale=float("nan")), "logit_scale: "),
        ("golden.json", "[" * 100_000, "golden.json cannot be read"),
        ("golden.json", b"\xff\xfe{}", "golden.json cannot be read"),
        *(
            ("golden.json", naming(name), "golden.json is of another form .files")
            for name in OUTSIDE
        ),
        ("preprocessor_config.json", '{"crop_size": 64}', "crop_size: "),
        ("preprocessor_config.json", '{"crop_size": {"height": "x"}}', "crop_size.height: "),
        ("preprocessor_config.json", '{"crop_size": {"height": 9}}', "has no image_mean"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", '{"projection_dim": 0}', "projection_dim: "),
        ("config.json", None, "config.json is missing"),
        ("metrics.json", "{}", "metrics.json has no parity"),
        ("metrics.json", '{"parity": {"m": {"g": {"v": {"cosine_min": "1"}}}}}', "cosine_min: "),
        ("metrics.json", '{"parity": {"m": {"g": {"v": {"snr_db": NaN}}}}}', "metrics.json "),
        ("onnx/classifier.onnx", None, "classifier.onnx is missing"),
        ("onnx/classifier.onnx", "no graph", "classifier.onnx is no classifier with labels"),
        ("onnx/classifier.onnx", b"", "classifier.onnx is no classifier with labels"),
        ("onnx/vision_model_int6w.onnx", None, "vision_model_int6w.onnx is missing"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
    ],
)
def test_what_is_wrong_with_a_bundle_is_one_line_with_the_remedy(
    bundle, tmp_path, monkeypatch, file, content, said
):
    (bundle / file).unlink(missing_ok=True)
    if content is not None:
        (bundle / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(ROOT)
    with pytest.raises(command.Refusal, match=f"{said}.*`make`") as refusal:
        build.build(tmp_path / "site", bundle.parent, ROOT / "metrics")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("labels", [None, "{", '{"a": 1}', "[1, 2]", "[]"])
def test_classifier_whose_labels_are_none_is_refused(bundle, labels):
    path = bundle / "onnx/classifier.onnx"
    model = onnx.load(path)
    (entry,) = [entry for entry in model.metadata_props if entry.key == "labels"]
    if labels is None:
        model.metadata_props.remove(entry)
    else:
        entry.value = labels
    onnx.save(model, path)
    with pytest.raises(command.Refusal, match="classifier.onnx is no classifier.*`make`"):
        index.build(bundle.parent, NOT_MEASURED, ENCODINGS)


@pytest.mark.parametrize(
    "name", ["golden.json", "onnx/vision_model.onnx", "onnx", "tokenizer.json"]
)
def test_links_of_a_bundle_are_refused(bundle, tmp_path, name):
    (bundle / name).rename(tmp_path / "secret")
    (bundle / name).symlink_to(tmp_path / "secret")
    with pytest.raises(command.Refusal, match="is a link, or leads out of its folder.*cp -rL"):
        index.build(bundle.parent, NOT_MEASURED, ENCODINGS)


@pytest.mark.parametrize("name", ["a b", "a?b", "a%2fb", ".hidden", "ö"])
def test_bundle_whose_name_is_another_address_is_refused(bundle, name):
    bundle.rename(bundle.with_name(name))
    with pytest.raises(command.Refusal, match="rename it"):
        index.build(bundle.parent, NOT_MEASURED, ENCODINGS)


@pytest.mark.parametrize("text", ['{"a": NaN}', "[1]", "{", "null", b"\xff"])
def test_broken_metrics_are_one_line_with_the_remedy(tmp_path, text):
    path = tmp_path / "runtimes.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(command.Refusal, match="runtimes.json cannot be read.*`make runtimes`"):
        build.read_metrics(path, "make runtimes")
    assert build.read_metrics(tmp_path / "none.json", "make") == {}


def test_bundle_does_not_change_with_the_site(bundle, tmp_path):
    content = index.build(bundle.parent, NOT_MEASURED, ENCODINGS)
    build.copy_models(bundle.parent, content, tmp_path / "models")
    (tmp_path / "models" / MODEL / "tokenizer.json").write_text("edited", "utf-8")
    assert (bundle / "tokenizer.json").read_text("utf-8") != "edited"


def test_folder_of_something_else_is_kept(tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html/index.html").write_text("mine", "utf-8")
    for output in (tmp_path / "html", tmp_path / "html/index.html"):
        with pytest.raises(command.Refusal, match="holds something else"):
            build.build(output, BUNDLES, ROOT / "metrics")
    assert (tmp_path / "html/index.html").read_text("utf-8") == "mine"
    (tmp_path / "html/models").mkdir()
    (tmp_path / "html/models/index.json").write_text("{}", "utf-8")
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
