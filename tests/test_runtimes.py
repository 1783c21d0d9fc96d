"""The gate of metrics/runtimes.json: `make runtimes` measures and then judges here.

Cosines against OpenAI's code say mostly what an encoding costs, which tests/test_parity.py judges;
how exactly a runtime computes is `runtime_cosine`, against ONNX Runtime on the same file.

Elsewhere than in `make runtimes` (JUST_MEASURED), whoever changed the grid need not have Chromium:
figures that a grid does not have yet are skipped there.
"""

import json
import os
from pathlib import Path

import pytest

from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from runtimes import onnxruntime_web

pytestmark = pytest.mark.runtimes

PARAMS = params.load()
GRID = PARAMS.grid
METRICS = json.loads(Path("metrics/runtimes.json").read_text("utf-8"))


def of_scheme(*schemes):
    return {name for name, encoding in PARAMS.encodings.items() if encoding.scheme in schemes}


FP32_ARITHMETIC = of_scheme("none", "weight_only", "mixed")
STATIC = of_scheme("static")
# transformers.js in Chromium has the WebAssembly that was made for WebGPU, which lacks a Cast.
REFUSED = {("transformers-js-web", "image"), ("transformers-js-web", "preprocess")}
# The variants of every runtime whose figure is judged, by `runtimes:` of params.yaml.
JUDGED = {
    "onnxruntime-web": FP32_ARITHMETIC,
    "onnxruntime-web-threads": FP32_ARITHMETIC,
    "transformers-js-node": FP32_ARITHMETIC,
    "transformers-js-web": FP32_ARITHMETIC,
    "onnxjs": {"onnxjs"},
    "openvino": {*PARAMS.encodings, "npu"} - STATIC,
    "litert": {"npu"},
    "c-api": set(PARAMS.encodings),
}


def files(model, *profiles):
    """What a model is built in: its encodings and products, and some profiles."""
    others = set(GRID.profiles) - set(profiles)
    return {file for file in GRID.files(model) if file[1] not in others}


def towers(model, profile):
    return {file for file in files(model, profile) if file[1] == profile}


def expected(runtime, model):
    """(graph, variant) of every file that a runtime is given."""
    if runtime == "onnxjs":
        return towers(model, "onnxjs")
    if runtime == "litert":
        return towers(model, "npu")
    if runtime == "openvino":
        return files(model, "npu")
    if runtime == "c-api":
        return {file for file in files(model) if file[0] in (*TOWERS, "image")}
    if runtime == "onnxruntime-web-webgpu":
        return set(onnxruntime_web.for_graphics(files(model)))
    return files(model)


def found(runtime, model):
    """{(graph, variant): figures or a reason} of metrics/runtimes.json."""
    graphs = METRICS.get(runtime, {}).get(model, {})
    return {(name, variant): one for name, of in graphs.items() for variant, one in of.items()}


RUNTIMES = [*JUDGED, "onnxruntime-web-webgpu"]
CASES = [
    pytest.param(runtime, model, graph, variant, id=f"{runtime}.{model}.{graph}.{variant}")
    for runtime, variants in JUDGED.items()
    for model in GRID.models
    for graph, variant in sorted(expected(runtime, model))
    if variant in variants and (runtime, graph) not in REFUSED
    if (graph, variant) in found(runtime, model)
]


@pytest.mark.parametrize(("runtime", "model"), [(r, m) for r in RUNTIMES for m in GRID.models])
def test_every_file_has_figures_or_a_reason(runtime, model):
    given = found(runtime, model)
    if "JUST_MEASURED" not in os.environ and given.keys() != expected(runtime, model):
        pytest.skip("metrics/runtimes.json is of another grid: make runtimes")
    assert given.keys() == expected(runtime, model)
    for metrics in given.values():
        assert set(metrics) in ({"reason"}, {"inputs", "cosine", "runtime_cosine"}), metrics
        assert "\n" not in metrics.get("reason", "")


@pytest.mark.parametrize(("runtime", "model", "graph", "variant"), CASES)
def test_figure_holds_its_floor(runtime, model, graph, variant):
    ((metric, floor),) = PARAMS.runtimes[runtime].model_dump(exclude_none=True).items()
    metrics = found(runtime, model)[graph, variant]
    assert "reason" not in metrics, f"does not run: {metrics.get('reason')}"
    assert metrics[metric] >= floor, f"{metric} {metrics[metric]} is below {floor}"


@pytest.mark.parametrize("model", GRID.resnets)
@pytest.mark.parametrize("variant", sorted(STATIC & set(GRID.encodings.resnets)))
def test_openvinos_own_8_bits_are_as_good_as_onnx_runtimes(model, variant):
    """It rounds in other places, so their outputs differ, but neither more from OpenAI's."""
    metrics = METRICS["openvino"][model]["visual"][variant]
    assert metrics["cosine"] >= PARAMS.floors[model]["visual"][variant].cosine_min
