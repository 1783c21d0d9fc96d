"""Products of the small models, by the stages' own command lines."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

from clip_onnx import command, graphs
from clip_onnx.checkpoint import weights
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import inputs, parity
from clip_onnx.names import TOWERS

import small

LABELS = ["a cat", "a dog", "a bird"]
ENCODINGS = ("fp32", "fp16", "int8w", "int4w", "mixed", "int8-dynamic")


@pytest.fixture(scope="module")
def make(built):
    """Compose a product of a model in an encoding, with changed settings: the file's folder."""
    original = (built / "params.yaml").read_text("utf-8")

    def made(model, product, encoding="fp32", **settings):
        content = yaml.safe_load(original)
        content["products"]["classifier"] |= {"labels": LABELS, "templates": ["a photo of {}."]}
        content["products"].setdefault(product, {}).update(settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(built)
            small.write_params(built, content)
            output = f"data/models/{model}/{product}/{encoding}"
            towers = (f"data/models/{model}/{tower}/{encoding}" for tower in TOWERS)
            given = [flag for pair in zip(FLAGS, towers, strict=True) for flag in pair]
            given += ["--labels-by", f"data/patch/{model}/textual/std"]
            small.run_stage("compose", product, f"data/checkpoints/{model}", *given, output)
        return built / output

    yield made
    (built / "params.yaml").write_text(original, "utf-8")


FLAGS = ("--visual", "--textual")


def reference(built, model):
    """(pixels of four pictures, tokens of five captions, their embeddings as unit vectors)."""
    directory = built / f"data/reference/{model}"
    with inputs.reference(directory) as tensors:
        ids = tensors.get_tensor("input_ids")[:5].astype(np.int64)
        embeds = tensors.get_tensor("image_embeds")[:4], tensors.get_tensor("text_embeds")[:5]
    return inputs.pixels(directory, range(4)), ids, *map(parity.normalized, embeds)


def scale(built, model):
    return weights.logit_scale(built / f"data/checkpoints/{model}")


@pytest.mark.parametrize("model", small.KINDS)
def test_combined_is_clips_forward(built, make, model):
    pixels, ids, pictures, texts = reference(built, model)
    session = sessions.session(make(model, "combined"))
    assert [value.name for value in session.get_inputs()] == ["pixel_values", "input_ids"]
    names = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    assert [value.name for value in session.get_outputs()] == names
    results = session.run(names, {"pixel_values": pixels, "input_ids": ids})
    found = dict(zip(names, results, strict=True))
    logits = scale(built, model) * pictures @ texts.T
    np.testing.assert_allclose(found["logits_per_image"], logits, atol=1e-3)
    np.testing.assert_array_equal(found["logits_per_text"], found["logits_per_image"].T)
    np.testing.assert_allclose(found["image_embeds"], pictures, atol=1e-5)
    np.testing.assert_allclose(found["text_embeds"], texts, atol=1e-5)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("model", small.KINDS)
def test_combined_gives_what_its_towers_give(built, make, model, encoding):
    pixels, ids, *_ = reference(built, model)
    composed = sessions.session(make(model, "combined", encoding))
    found = composed.run(
        ["image_embeds", "text_embeds"], {"pixel_values": pixels[:1], "input_ids": ids}
    )
    for tower, batch, embeds in zip(TOWERS, (pixels[:1], ids), found, strict=True):
        alone = sessions.run(
            sessions.session(built / f"data/models/{model}/{tower}/{encoding}"), [batch]
        )
        assert parity.cosine(alone, embeds).min() > 0.999999
        np.testing.assert_allclose(np.linalg.norm(embeds, axis=-1), 1, atol=1e-5)


def test_combined_holds_each_weight_once(built, make):
    directory = make("vit", "combined", "int8w")
    towers = sum(graphs.size(built / f"data/models/vit/{tower}/int8w") for tower in TOWERS)
    assert graphs.size(directory) < 1.01 * towers
    metadata = sessions.session(directory).get_modelmeta().custom_metadata_map
    sides = json.loads(metadata["preprocessing"])
    assert (sides["visual"]["side"], sides["textual"]["max_length"]) == (64, 77)


def test_combined_of_large_towers_has_external_data(built, make, monkeypatch):
    whole = graphs.size(make("vit", "combined"))
    monkeypatch.setattr(graphs, "EXTERNAL_DATA_FROM", 2**20)
    directory = make("vit", "combined")
    assert (directory / graphs.DATA_FILE).stat().st_size > 0.9 * whole
    sessions.session(directory)


@pytest.mark.parametrize("model", small.KINDS)
def test_classifier_gives_the_probabilities_of_clips_forward(built, make, model):
    pixels, _, pictures, _ = reference(built, model)
    session = sessions.session(make(model, "classifier"))
    textual = sessions.session(built / f"data/models/{model}/textual/fp32")
    tokenizer = tokens.load(built / f"data/checkpoints/{model}/tokenizer.json", context=None)
    rows = tokens.encode(tokenizer, [f"a photo of {label}." for label in LABELS])
    texts = parity.normalized(sessions.run(textual, [tokens.pad(rows)]))
    odds = np.exp(scale(built, model) * pictures @ texts.T)
    expected = odds / odds.sum(1, keepdims=True)
    for batch in (1, 4):
        found = sessions.run(session, sessions.batches(pixels, batch))
        np.testing.assert_allclose(found, expected, atol=1e-4)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == LABELS
    assert json.loads(metadata["preprocessing"])["side"] == 64


@pytest.mark.parametrize("encoding", ["fp32", "fp16w"])
@pytest.mark.parametrize("model", small.KINDS)
def test_the_camera_form_is_the_classifier_at_opset_12(built, make, model, encoding):
    pixels, *_ = reference(built, model)
    expected = sessions.run(sessions.session(make(model, "classifier", encoding)), [pixels[:1]])
    file = make(model, "classifier", encoding, form="camera") / graphs.FILE
    content = onnx.load(file)
    onnx.checker.check_model(content, full_check=True)
    assert [(o.domain, o.version) for o in content.opset_import] == [("", 12)]
    described = json.loads(content.graph.doc_string)
    assert described["means"] == [122.77, 116.75, 104.09]
    assert described["vars"] == [68.5, 66.63, 70.32]
    session = onnxruntime.InferenceSession(file)
    (picture,), (scores,) = session.get_inputs(), session.get_outputs()
    assert (picture.name, picture.shape) == ("image-", [1, 3, 64, 64])
    assert (scores.name, scores.shape) == ("scores-0:a cat;1:a dog;2:a bird", [1, 3])
    np.testing.assert_allclose(session.run(None, {"image-": pixels[:1]})[0], expected, atol=1e-5)


@pytest.mark.parametrize("encoding", ["fp32", "int8w"])
@pytest.mark.parametrize("tower", TOWERS)
def test_unit_towers_give_the_towers_direction(built, make, tower, encoding):
    pixels, ids, *_ = reference(built, "vit")
    batch = pixels if tower == "visual" else ids
    alone = sessions.session(built / f"data/models/vit/{tower}/{encoding}")
    units = sessions.session(make("vit", "unit", encoding, kind="unit", tower=tower))
    expected = parity.normalized(sessions.run(alone, [batch]))
    np.testing.assert_allclose(sessions.run(units, [batch]), expected, atol=1e-5)


@pytest.mark.parametrize("label", ["cat;dog", "size:small"])
def test_labels_that_the_camera_form_cannot_hold_are_refused(make, label):
    with pytest.raises(command.Refusal, match=label):
        make("vit", "classifier", labels=[label, "other"], form="camera")
    make("vit", "classifier", labels=[label, "other"])


def test_a_file_of_labels_with_a_name_that_no_file_has_is_refused(make):
    with pytest.raises(command.Refusal, match=r"a\\x00b' is no readable UTF-8 text"):
        make("vit", "classifier", labels="a\0b")


def test_an_encoding_that_opset_12_cannot_express_is_refused_by_its_operator(make):
    with pytest.raises(command.Refusal, match="BitwiseAnd needs opset 18, not 12"):
        make("vit", "classifier", "int4w", form="camera")


@pytest.mark.parametrize("product", ["combined", "classifier"])
def test_products_have_the_same_bytes_every_time(make, product):
    first = (make("vit", product) / graphs.FILE).read_bytes()
    assert (make("vit", product) / graphs.FILE).read_bytes() == first


@pytest.mark.parametrize("product", ["combined", "classifier"])
def test_products_are_measured_against_the_reference(built, make, product, tmp_path):
    directory = make("vit", product)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        given = ["data/reference/vit", "data/checkpoints/vit", "--evalset", "data/evalset"]
        given += ["--labels-by", "data/patch/vit/textual/std"]
        given += ["--file", directory, tmp_path / "found.json"]
        small.run_stage("evaluate", *given)
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["metrics"]["cosine_min"] > 0.99999
    assert found["control"]["cosine_mean"] < found["metrics"]["cosine_mean"]
    assert min(found["cosines"]) == found["metrics"]["cosine_min"]
    assert len(found["cosines"]) == found["metrics"]["inputs"]
