"""What index.json says of a file's figures in each runtime, and what is not offered."""

import json

import pytest
from pages import ROOT

from clip_onnx.settings import params
from web import build, figures

SETTINGS = params.load(ROOT / "params.yaml").model_copy(update={"default_floors": {}})
_visual = SETTINGS.floors["tiny-rn"]["visual"]  # a floor that is known here
_visual["int8w"] = _visual["int8w"].model_copy(update={"cosine_min": 0.9998})
WEBGPU, WASM, THREADS = "onnxruntime-web-webgpu", "onnxruntime-web", "onnxruntime-web-threads"


MINE = ("mine", "visual", "int8w")


def judged(runtimes, *file, parity=None):
    return figures.Figures(parity or {}, runtimes, SETTINGS).of(*file)


def measured(cosine, own=1.0, runtime=WEBGPU, file=("tiny-rn", "visual", "int8w")):
    model, graph, variant = file
    one = {"cosine": cosine, "runtime_cosine": own, "inputs": 2}
    return {runtime: {model: {graph: {variant: one}}}}


def test_webgpus_wrong_results_are_withheld():
    metrics = build.read_metrics(ROOT / "metrics/runtimes.json", "make runtimes")
    if "tiny-rn" not in metrics.get(WEBGPU, {}):
        pytest.skip("metrics/runtimes.json is of another grid: make runtimes")
    for graph, variant in SETTINGS.grid.files("tiny-rn"):
        if variant not in SETTINGS.encodings or graph not in ("visual", "textual"):
            continue
        file = judged(metrics, "tiny-rn", graph, variant)
        known = metrics[WEBGPU]["tiny-rn"][graph].get(variant, {}).get("cosine")
        if graph == "visual":
            assert known is None or known < 0.7
            assert file["withheld"]["webgpu"].startswith("cosine to PyTorch 0.6")
            assert "webgpu" not in file["runtimes"]
        else:
            assert file["withheld"] == {}


def test_each_runtime_has_its_own_figure():
    runtimes = (
        measured(0.99985) | measured(0.99999, runtime=WASM) | measured(0.9999, runtime=THREADS)
    )
    file = judged(runtimes, "tiny-rn", "visual", "int8w")
    assert file["runtimes"] == {
        "wasm": {"cosine": 0.9999, "inputs": 2},  # the worse of both
        "webgpu": {"cosine": 0.99985, "inputs": 2},
    }


@pytest.mark.parametrize(
    ("cosine", "own", "offered"),
    [
        (0.9998, 0.9999, True),
        (0.99979, 1.0, False),  # below the file's floor
        (1.0, 0.99989, False),  # below the runtime's
        (None, 1.0, False),
        (1.0, None, False),
        (float("nan"), 1.0, False),
        (1.0, float("nan"), False),
        (float("inf"), 1.0, False),
    ],
)
def test_a_figure_below_a_floor_or_none_is_not_offered(cosine, own, offered):
    file = judged(measured(cosine, own), "tiny-rn", "visual", "int8w")
    assert ("webgpu" in file["runtimes"]) == offered == ("webgpu" not in file["withheld"])
    assert json.loads(json.dumps(file, allow_nan=False)) == file


def test_model_without_a_floor_has_what_it_reached_natively_and_its_runtimes():
    wrong = measured(0.68, 0.68, file=("mine", "visual", "int8w"))
    assert "webgpu" in judged(wrong, "mine", "visual", "int8w")["withheld"]
    close = measured(0.9997, file=("mine", "visual", "int8w"))
    assert judged(close, "mine", "visual", "int8w")["withheld"] == {}
    reached = {"mine": {"visual": {"int8w": {"cosine_min": 0.9999, "inputs": 77}}}}
    assert "webgpu" in judged(close, "mine", "visual", "int8w", parity=reached)["withheld"]
    default = {"visual": {"int8w": params.Floor(cosine_min=0.9, snr_db=20.0)}}
    settings = SETTINGS.model_copy(update={"default_floors": default})
    assert "webgpu" in figures.Figures(reached, close, settings).of(*MINE)["withheld"]
    far = measured(0.89, file=MINE)
    assert "webgpu" in figures.Figures({}, far, settings).of(*MINE)["withheld"]
    half = measured(0.68, 0.68, file=("mine", "visual", "fp16"))
    reached = {"mine": {"visual": {"fp16": {"cosine_min": 0.9999, "inputs": 77}}}}
    assert "webgpu" in judged(half, "mine", "visual", "fp16", parity=reached)["withheld"]


def test_fp32_speaks_for_what_was_not_measured():
    wrong = measured(0.68, 0.68, file=("tiny-rn", "visual", "fp32"))
    for graph, variant in (("visual", "fp16"), ("classifier", "fp32")):
        reason = judged(wrong, "tiny-rn", graph, variant)["withheld"]["webgpu"]
        assert reason.endswith("(measured in fp32)")
    reason = {WEBGPU: {"tiny-rn": {"visual": {"fp16": {"reason": "no adapter"}}}}}
    file = judged(reason, "tiny-rn", "visual", "fp16")
    assert (file["runtimes"], file["withheld"]) == ({}, {})


def test_int8_arithmetic_is_judged_by_the_files_floor_alone():
    file = ("tiny-vit", "visual", "int8-dynamic")
    assert judged(measured(0.9997, 0.99997, WASM, file), *file)["withheld"] == {}
    assert "wasm" in judged(measured(0.9, 0.99997, WASM, file), *file)["withheld"]


@pytest.mark.parametrize("odd", [[], {"tiny-rn": 5}, {"tiny-rn": {"visual": []}}, None])
def test_metrics_of_another_form_are_no_figures(odd):
    file = judged({WEBGPU: odd}, "tiny-rn", "visual", "int8w", parity={"tiny-rn": odd})
    assert (file["parity"], file["runtimes"], file["withheld"]) == (None, {}, {})
