"""The evaluate stage on the files of profiles, with an evaluation set of five inputs."""

import json

import numpy as np
import pytest

from clip_onnx import graphs
from clip_onnx.measure import inputs
from stages.evaluate import results

import small

LABELS = [None, None, None, 0, 1]


@pytest.fixture(scope="module")
def evaluate(tiny):
    """evaluate(model, tower, profile, **options of the profile): the content of its JSON."""
    pictures = [
        {"name": str(n), "source": str(n), "split": "labelled" if label in (0, 1) else "evaluation"}
        | {"label": label}
        for n, label in enumerate(LABELS)
    ]
    for model in small.TINY:
        inputs.write(
            tiny / "data/reference" / model, pictures, {"evaluation": small.TEXTS, "prompts": 2}
        )

    def run(model, tower, profile, **options):
        content = small.tiny_params()
        content["profiles"]["tried"] = content["profiles"][profile] | options
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tiny)
            small.write_params(tiny, content)
            file = small.patch(model, tower, "tried")
            given = (f"data/reference/{model}", f"data/checkpoints/{model}")
            small.run_stage("evaluate", *given, "--file", file, "data/eval/tried.json")
            return json.loads((tiny / "data/eval/tried.json").read_text("utf-8"))

    return run


def check_cosines(found):
    """The metrics are those of the distribution."""
    cosines, metrics = found["cosines"], found["metrics"]
    assert len(cosines) == metrics["inputs"]
    assert min(cosines) == metrics["cosine_min"]
    errors, mean = [1 - cosine for cosine in cosines], 1 - metrics["cosine_mean"]
    assert sum(errors) / len(errors) == pytest.approx(mean, rel=0.01, abs=1e-7)


@pytest.mark.parametrize(
    ("profile", "options", "rows"),
    [
        ("std", {}, 5),
        ("std", {"input_ids": "int32"}, 5),
        ("npu", {}, 5),
        ("npu", {"text": "tokens", "batch": 2}, 5),
        ("npu", {"length": 16, "batch": 3}, 4),  # a caption is longer
        ("onnxjs", {"normalize": True}, 5),
    ],
)
def test_textual_files_are_measured_with_the_hosts_part(evaluate, profile, options, rows):
    found = evaluate("tiny-vit", "textual", profile, **options)
    assert found["metrics"]["inputs"] == rows
    assert found["metrics"]["cosine_min"] >= 0.999999
    assert found["metrics"]["snr_db"] > 90
    assert found["control"]["cosine_min"] < 0.9
    check_cosines(found)


@pytest.mark.parametrize("options", [{}, {"batch": 4}, {"normalize": True}])
def test_visual_files_of_a_fixed_batch_are_measured_on_every_picture(evaluate, options):
    found = evaluate("tiny-rn", "visual", "npu", **options)
    assert found["metrics"]["inputs"] == LABELS.count(None)
    assert found["metrics"]["cosine_min"] >= 0.999999
    assert found["metrics"]["snr_db"] > 90
    assert found["metrics"]["accuracy"] == found["reference"]["accuracy"]
    check_cosines(found)


def test_no_number_is_null_and_the_worst_run_counts():
    reference = np.eye(2)
    runs = [np.eye(2), np.array([[0.6, 0.8], [np.nan, 0.0]])]
    assert results.cosines(reference, runs) == [0.6, None]


@pytest.mark.parametrize("model", small.TINY)
def test_openais_own_code_is_measured_like_a_file_without_a_size(
    evaluate, tiny, monkeypatch, model
):
    file = evaluate(model, "textual", "std")
    monkeypatch.chdir(tiny)
    outputs = [f"data/eval/{model}.{tower}.pytorch.json" for tower in ("visual", "textual")]
    given = (f"data/checkpoints/{model}", f"data/reference/{model}")
    small.run_stage("evaluate.pytorch", *given, *outputs)
    visual, textual = (json.loads((tiny / output).read_text("utf-8")) for output in outputs)
    for found, count in ((visual, LABELS.count(None)), (textual, len(small.TEXTS))):
        assert found["metrics"]["inputs"] == count
        assert found["metrics"]["cosine_min"] >= 0.9999999
        assert found["metrics"]["snr_db"] == 100.0
        assert "size_mb" not in found["metrics"]
        check_cosines(found)
    assert visual["metrics"]["accuracy"] == visual["reference"]["accuracy"]
    assert textual["control"] == file["control"]


@pytest.mark.parametrize("met", [True, False])
def test_a_file_that_was_made_for_a_target_says_whether_it_is_met(built, tmp_path, met):
    """As the file's metadata have it; the gate judges by floors."""
    model = graphs.load(built / "data/models/vit/visual/mixed")
    target = json.loads(model.metadata_props["target"])
    assert target["met"] is True
    graphs.describe(model, target=target | {"met": met})
    graphs.save(model, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        given = ("data/reference/vit", "data/checkpoints/vit")
        small.run_stage("evaluate", *given, "--file", tmp_path, tmp_path / "found.json")
        small.run_stage(
            "evaluate", *given, "--file", "data/models/vit/visual/fp32", tmp_path / "fp32.json"
        )
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))["metrics"]
    assert found["target_met"] is met
    assert "target_met" not in json.loads((tmp_path / "fp32.json").read_text("utf-8"))["metrics"]
