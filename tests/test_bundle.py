import base64
import json
import shutil

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from clip_onnx import Clip, command, graphs, verify
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from clip_onnx.settings import params
from stages.bundle.golden import copy_model, promised

import small

ENCODINGS = {"": "fp32", "_fp16": "fp16", "_quantized": "int8w", "_int8": "int8-dynamic"}
PRODUCTS = {"combined": "model", "classifier": "classifier", "image": "image"}


@pytest.fixture(scope="module")
def bundle(bundled):
    return bundled / "data/bundles/vit"


def test_layout_is_hugging_faces(bundle):
    names = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    models = {
        f"onnx/{tower}_model{suffix}.onnx"
        for tower in ("vision", "text")
        for suffix in (*ENCODINGS, "_fp16w", "_int4w", "_mixed", "_npu")
    }
    models |= {f"onnx/{name}.onnx" for name in (*PRODUCTS.values(), "preprocess")}
    models.add("onnx/text_model_npu.text_projection.npy")
    assert names == models | {
        "config.json",
        "golden.json",
        "merges.txt",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    config = json.loads((bundle / "config.json").read_text("utf-8"))
    assert config["model_type"] == "clip"
    assert config["vision_config"]["image_size"] == 64
    assert config["text_config"]["eos_token_id"] == 49407


def test_suffixes_hold_the_encodings_that_the_table_says(bundle, bundled):
    for suffix, encoding in ENCODINGS.items():
        shipped = (bundle / f"onnx/vision_model{suffix}.onnx").read_bytes()
        assert shipped == (bundled / f"data/models/vit/visual/{encoding}/model.onnx").read_bytes()


def test_tokenizer_files_agree(bundle):
    vocabulary = json.loads((bundle / "vocab.json").read_text("utf-8"))
    assert vocabulary == Tokenizer.from_file(str(bundle / "tokenizer.json")).get_vocab()


def test_golden_json_holds_a_truncated_caption_and_the_floor(bundle):
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    lengths = [len(text["input_ids"]) for text in golden["texts"]]
    assert max(lengths) == 77
    assert min(lengths) < 20
    assert golden["files"]["onnx/vision_model.onnx"] == {
        "key": "vit.visual.fp32",
        "graph": "visual",
        "cosine_min": 0.9999,
    }


def test_a_file_without_a_floor_in_params_gets_one_from_what_it_reaches(bundle):
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    found = {name: (cosine, floor) for name, cosine, floor, _ in verify.check(bundle)}
    cosine, floor = found["onnx/vision_model_int8.onnx"]
    assert golden["files"]["onnx/vision_model_int8.onnx"]["cosine_min"] == floor
    assert 1 - floor == pytest.approx(2 * (1 - cosine) + 1e-6, abs=2e-7)


def test_a_default_floor_makes_no_promise_weaker():
    default = params.Floor(cosine_min=0.98, snr_db=20.0)
    assert promised(None, 0.999) == promised(default, 0.999) == pytest.approx(0.998, abs=2e-6)
    assert promised(default, 0.9) == 0.98


def test_verify_passes_every_file(bundle):
    results = {name: (cosine, problem) for name, cosine, _, problem in verify.check(bundle)}
    assert len(results) == 20
    exact = ("text_model", "text_model_npu", "vision_model_npu", "model", "image", "preprocess")
    assert all(results[f"onnx/{name}.onnx"][0] > 0.999999 for name in exact)
    assert results["onnx/classifier.onnx"][0] > 0.99999
    assert all(cosine > 0.9 and not problem for cosine, problem in results.values())


LARGE = """<ir_version: 8, opset_import: ["" : 17]>
large (float[batch,3,96,96] pixel_values) => (float[batch,3] image_embeds) {
  image_embeds = ReduceMean<axes = [2, 3], keepdims = 0>(pixel_values) }"""


def test_verify_compares_pictures_that_are_longer_than_a_text(tmp_path):
    onnx.save(onnx.parser.parse_model(LARGE), tmp_path / "large.onnx")
    pixels = np.random.default_rng(0).random((1, 3, 96, 96), np.float32)
    cases = [([pixels], {"image_embeds": pixels.mean((2, 3))})]
    found = list(verify.cosines(tmp_path / "large.onnx", "visual", cases))
    assert found == [pytest.approx(1)]


def change_golden(bundle, monkeypatch, tmp_path, change):
    """A copy of the bundle whose golden.json `change` has edited."""
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    change(golden)
    for path in bundle.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "golden.json").unlink()
    (tmp_path / "golden.json").write_text(json.dumps(golden), "utf-8")


def test_verify_fails_on_a_file_below_its_floor(bundle, monkeypatch, tmp_path):
    def change(golden):
        embeds = golden["picture"]["image_embeds"]
        golden["picture"]["image_embeds"] = np.roll(embeds, 1).tolist()

    change_golden(bundle, monkeypatch, tmp_path, change)
    with pytest.raises(command.Refusal, match=r"not as they should be: onnx/vision_model\.onnx, "):
        verify.report(tmp_path)


def test_numbers_of_another_shape_are_never_spread_over_the_right_one(
    bundle, monkeypatch, tmp_path
):
    def change(golden):
        golden["picture"]["image_embeds"] = [1.0]

    change_golden(bundle, monkeypatch, tmp_path, change)
    problems = {name: problem for name, *_, problem in verify.check(tmp_path)}
    assert problems["onnx/vision_model.onnx"] == "does not run: 48 numbers, not 1"


def test_a_picture_that_pillow_would_run_a_program_for_is_not_opened(bundle, monkeypatch, tmp_path):
    def change(golden):
        script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
        golden["picture"]["png_base64"] = base64.b64encode(script).decode()

    change_golden(bundle, monkeypatch, tmp_path, change)
    with pytest.raises(command.Refusal, match="is no whole bundle, .*cannot identify image file"):
        verify.read(tmp_path)


def test_a_file_whose_outputs_are_no_numbers_ends_no_bundle_and_never_verifies(
    bundled, tmp_path, monkeypatch
):
    real = verify.worst

    def worst(file, about, cases):
        return np.nan if "int8." in file.name else real(file, about, cases)

    monkeypatch.chdir(bundled)
    monkeypatch.setattr(verify, "worst", worst)
    paths = ("models/vit", "reference/vit", "checkpoints/vit", "evalset")
    small.run_stage("bundle", *(f"data/{path}" for path in paths), tmp_path / "vit")
    problems = {name: problem for name, *_, problem in verify.check(tmp_path / "vit")}
    assert problems["onnx/vision_model_int8.onnx"] == "below its floor"
    assert problems["onnx/vision_model.onnx"] == ""


SWAPPED = {  # a file: what lies in its place
    "vision_model_fp16w": "vision_model_int4w",
    "text_model_fp16w": "text_model_int4w",
    "vision_model_quantized": "vision_model_int4w",
}


@pytest.mark.parametrize(("name", "other"), SWAPPED.items())
def test_verify_notices_another_file_also_without_a_floor_in_params(
    bundle, monkeypatch, tmp_path, name, other
):
    copied(bundle, tmp_path)
    shutil.copyfile(bundle / f"onnx/{other}.onnx", tmp_path / f"onnx/{name}.onnx")
    with pytest.raises(command.Refusal, match=rf"not as they should be: onnx/{name}\.onnx$"):
        verify.report(tmp_path)


def test_verify_notices_a_classifier_of_other_labels(bundle, tmp_path):
    copied(bundle, tmp_path)
    model = onnx.load(bundle / "onnx/classifier.onnx")
    (labels,) = (one for one in model.graph.initializer if one.name == "labels")
    matrix = np.roll(onnx.numpy_helper.to_array(labels), 1, axis=1)
    labels.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(matrix), "labels"))
    onnx.save(model, tmp_path / "onnx/classifier.onnx")
    with pytest.raises(command.Refusal, match=r"not as they should be: onnx/classifier\.onnx$"):
        verify.report(tmp_path)


@pytest.mark.parametrize("place", [0, 2, 4])
def test_verify_fails_on_one_caption_that_gives_no_number(bundle, monkeypatch, tmp_path, place):
    def embed(session, file, batch):
        embeds = real(session, file, batch)
        if file.name == "text_model.onnx":
            calls.append(0)
            if len(calls) == place + 1:
                embeds = embeds * np.nan
        return embeds

    real, calls = verify.embed, []
    monkeypatch.setattr(verify, "embed", embed)
    with pytest.raises(command.Refusal, match=r"not as they should be: onnx/text_model\.onnx$"):
        verify.report(bundle)


@pytest.mark.parametrize("name", ["../x.onnx", "/etc/passwd", "onnx/../../x.onnx", "onnx\\x", ""])
def test_names_that_lead_out_of_the_folder_are_refused(bundle, monkeypatch, tmp_path, name):
    def change(golden):
        golden["files"][name] = golden["files"].pop("onnx/vision_model.onnx")

    change_golden(bundle, monkeypatch, tmp_path, change)
    with pytest.raises(command.Refusal, match="not inside the folder"):
        verify.report(tmp_path)
    with pytest.raises(command.Refusal, match="not inside the folder"):
        Clip(tmp_path)


@pytest.mark.parametrize("empty", ["files", "texts"])
def test_nothing_to_compare_is_no_success(bundle, monkeypatch, tmp_path, empty):
    change_golden(bundle, monkeypatch, tmp_path, lambda golden: golden[empty].clear())
    with pytest.raises(command.Refusal, match="no files or no texts"):
        verify.report(tmp_path)


def test_a_tower_of_another_checkpoint_is_refused(bundle, tmp_path):
    copied(bundle, tmp_path)
    file = tmp_path / "onnx/text_model.onnx"
    model = onnx.load(file)
    (digest,) = (one for one in model.metadata_props if one.key == "checkpoint_sha256")
    digest.value = "0" * 64
    onnx.save(model, file)
    with pytest.raises(command.Refusal, match=r"text_model\.onnx is of another checkpoint"):
        Clip(tmp_path).encode_text("a red circle")


def copied(bundle, folder):
    """The bundle in a folder, whose files may be replaced."""
    shutil.copytree(bundle, folder, dirs_exist_ok=True)


def test_verify_fails_on_other_tokens(bundle, monkeypatch, tmp_path):
    change_golden(
        bundle, monkeypatch, tmp_path, lambda golden: golden["texts"][0]["input_ids"].pop(1)
    )
    with pytest.raises(command.Refusal, match=r"tokenizer\.json turns .* copy the bundle again"):
        verify.report(tmp_path)


def test_verify_goes_on_after_a_file_that_does_not_run(bundle, monkeypatch, tmp_path, capsys):
    change_golden(bundle, monkeypatch, tmp_path, lambda golden: None)
    (tmp_path / "onnx").unlink()
    shutil.copytree(bundle / "onnx", tmp_path / "onnx")
    (tmp_path / "onnx/vision_model.onnx").write_bytes(b"x")
    with pytest.raises(command.Refusal, match=r"not as they should be: onnx/vision_model\.onnx$"):
        verify.report(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert sum("does not run" in line for line in lines) == 1


@pytest.mark.parametrize("content", [None, "{}", "{"])
def test_verify_names_a_folder_that_is_no_bundle(monkeypatch, tmp_path, content):
    if content:
        (tmp_path / "golden.json").write_text(content, "utf-8")
    with pytest.raises(command.Refusal, match="no whole bundle"):
        verify.report(tmp_path)


@pytest.mark.parametrize("limit", [0, 1_500_000])
def test_external_data_follows_a_model_into_every_encoding_and_bundle(
    built, tmp_path, monkeypatch, limit
):
    """A limit of 1.5 MB stands between the fp32 file and the small ones, as 1 GiB does in ViT-L."""
    monkeypatch.setattr(graphs, "EXTERNAL_DATA_FROM", limit)
    monkeypatch.chdir(built)
    target = tmp_path / "models/vit/visual"
    reference = load_file(built / "data/reference/vit/reference.safetensors")
    pixels = inputs.pixels(built / "data/reference/vit", range(4))
    for encoding in small.ALL:
        small.encode("vit", "visual", encoding, target / encoding)
        external = (target / encoding / graphs.DATA_FILE).exists()
        assert external == (limit == 0 or encoding == "fp32")
        shipped = tmp_path / f"{encoding}.onnx"
        copy_model(target / encoding, shipped)
        assert (tmp_path / f"{encoding}.onnx_data").exists() == external
        shutil.rmtree(tmp_path / "alone", ignore_errors=True)
        (tmp_path / "alone").mkdir()
        for file in tmp_path.glob(f"{encoding}.onnx*"):
            shutil.copy(file, tmp_path / "alone")
        embeds = sessions.run(sessions.session(tmp_path / "alone" / shipped.name), [pixels])
        assert parity.cosine(reference["image_embeds"][:4], embeds).min() > 0.99
