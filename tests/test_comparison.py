"""Foreign runtimes are judged: here by ONNX Runtime in their place, and by faulty ones."""

import json

import numpy as np
import pytest

from clip_onnx import command
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from runtimes import comparison

pytestmark = pytest.mark.runtimes

REFERENCE, MODELS = "data/reference/vit", "data/models/vit"


@pytest.fixture
def project(bundled, monkeypatch):
    monkeypatch.chdir(bundled)
    return bundled


def own(path, feeds):
    """ONNX Runtime as a foreign runtime."""
    return comparison.native(sessions.session(path), feeds)


def compare(project, name, run, count=3):
    return comparison.compare(project / MODELS / name, project / REFERENCE, count, run)


@pytest.mark.parametrize("name", ["visual/fp32", "visual/npu", "textual/fp32", "textual/npu"])
def test_onnx_runtime_is_like_itself_and_like_openai(project, name):
    assert compare(project, name, own) == {"inputs": 3, "cosine": 1, "runtime_cosine": 1}


@pytest.mark.parametrize("name", ["image", "preprocess", "classifier"])
def test_products_are_compared_with_openais_code(project, name):
    metrics = compare(project, f"{name}/fp32", own)
    assert metrics == {"inputs": 3, "cosine": pytest.approx(1, abs=1e-6), "runtime_cosine": 1}


def test_both_sides_of_combined_are_inputs(project):
    metrics = compare(project, "combined/fp32", own)
    assert metrics == {"inputs": 6, "cosine": 1, "runtime_cosine": 1}


def test_runtime_cosine_is_of_the_file_and_cosine_of_the_original(project):
    metrics = compare(project, "visual/int4w", own)
    assert metrics["runtime_cosine"] == 1 > metrics["cosine"]


@pytest.mark.parametrize("name", ["visual/fp32", "textual/npu"])
def test_one_wrong_row_is_seen(project, name):
    def faulty(path, feeds):
        found = own(path, feeds)
        for rows in found.values():
            rows[1] = rows[0]
        return found

    metrics = compare(project, name, faulty)
    assert metrics["cosine"] < 0.999 > metrics["runtime_cosine"]


def spoilt(spoil):
    """ONNX Runtime, whose outputs go through a function."""
    return lambda path, feeds: {name: spoil(rows) for name, rows in own(path, feeds).items()}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda rows: rows * np.nan, "its image_embeds is not finite"),
        (lambda rows: rows[:2], r"its image_embeds is \[2, 48\], not \[3, 48\]"),
        (lambda rows: rows * 0, "its image_embeds, or what it should be, has a row of zeros"),
        (lambda rows: rows * 2, "its image_embeds is not of the length that ONNX Runtime's has"),
        (parity.normalized, "its image_embeds is not of the length that ONNX Runtime's has"),
    ],
)
def test_what_is_no_embedding_is_refused(project, spoil, reason):
    with pytest.raises(command.Refusal, match=reason):
        compare(project, "visual/fp32", spoilt(spoil))


@pytest.mark.parametrize("found", [{}, {"text_embeds": np.ones((3, 48), np.float32)}])
@pytest.mark.parametrize("name", ["visual/fp32", "combined/fp32", "textual/npu"])
def test_an_output_of_another_name_is_refused(project, name, found):
    refused = pytest.raises(command.Refusal, match=f"it gives no .*, but {', '.join(found)}")
    with refused:
        compare(project, name, lambda *_: found)


def test_combined_without_its_logit_scale_is_refused(project):
    def unscaled(path, feeds):
        found = own(path, feeds)
        return found | {"logits_per_image": found["logits_per_image"] / 100}

    with pytest.raises(command.Refusal, match="its logits_per_image is not of the length"):
        compare(project, "combined/fp32", unscaled)


def test_a_wrong_direction_is_a_figure_whatever_its_length(project):
    """The lengths of two captions' embeddings differ, too, but that is not what is wrong."""
    metrics = compare(project, "textual/fp32", spoilt(lambda rows: 2 * np.roll(rows, 1, axis=0)))
    assert metrics["runtime_cosine"] < comparison.ALIKE


def test_survey_goes_on_after_an_output_of_zeros(project):
    files = [("visual", "fp32"), ("textual", "fp32")]
    found = comparison.survey("vit", files, spoilt(lambda rows: rows * 0), 2)
    assert all(set(found[name]["fp32"]) == {"reason"} for name, _ in files)


def test_survey_goes_on_after_a_file_that_does_not_run(project):
    def run(path, feeds):
        if "int4w" in str(path):
            raise command.Refusal("no such operator\nat node 7")
        return own(path, feeds)

    files = [("visual", "int4w"), ("visual", "fp32"), ("textual", "fp32")]
    found = comparison.survey("vit", files, run, 2)
    assert found["visual"]["int4w"] == {"reason": "no such operator"}
    assert found["visual"]["fp32"]["inputs"] == found["textual"]["fp32"]["inputs"] == 2


def test_profiles_are_among_the_files_if_named(project):
    usual, with_npu = comparison.files("vit"), comparison.files("vit", "npu")
    assert ("image", "fp32") in usual
    assert set(with_npu) - set(usual) == {("visual", "npu"), ("textual", "npu")}
    with pytest.raises(command.Refusal, match="no models.rn50; known: vit"):
        comparison.files("rn50")


def test_output_is_json(project, monkeypatch, tmp_path):
    files = [("visual", "fp32"), ("image", "fp32")]
    monkeypatch.setattr("sys.argv", ["x", "vit", str(tmp_path / "found.json")])
    comparison.main(lambda model: {"other": comparison.refused(files, "not here")}, "What it does.")
    reason = {"fp32": {"reason": "not here"}}
    assert json.loads((tmp_path / "found.json").read_text("utf-8")) == {
        "other": {"visual": reason, "image": reason}
    }
