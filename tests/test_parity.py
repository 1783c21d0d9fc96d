"""The gate: `make gate` judges metrics/parity.json by `floors:` of params.yaml.

Stages measure and finish; only here does a number decide. Floors live in params.yaml because the
bundles carry them too; what cannot be said as a number there stands below with its reason.
"""

import json
from pathlib import Path

import pytest

from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from stages.report import figures
from tools import floors

PARAMS = params.load()
METRICS = json.loads(Path("metrics/parity.json").read_text("utf-8"))
CONTROLS = json.loads(Path("metrics/controls.json").read_text("utf-8"))
JUDGED = list(floors.judged(METRICS, CONTROLS, PARAMS))
FLOORS = [
    (f"{m}.{graph}.{variant}", floor) for m, graph, variant, floor in floors.cases(METRICS, PARAMS)
]
SHIPPED = ("tiny-vit", "tiny-rn")
SHIPPED_PICTURES = "stages/evalset/photographs.csv"
LEAST = {"visual": 64, "textual": 256}  # inputs of the shipped evaluation set
ROUNDED = {"visual": 0, "textual": 1}  # tensors of a 16-bit file: OpenAI's token table is fp32


@pytest.mark.parametrize("judged", JUDGED, ids=[f"{one.key}-{one.metric}" for one in JUDGED])
def test_figure_holds_its_floor(judged):
    assert judged.holds, str(judged)


@pytest.mark.parametrize(("key", "floor"), FLOORS, ids=[key for key, _ in FLOORS])
def test_another_inputs_embedding_fails_every_floor(key, floor):
    """The negative control: a floor that a wrong embedding passes would say nothing."""
    model, graph, _ = key.split(".")
    control = CONTROLS[model][graph]["control"]
    reference = CONTROLS[model][graph].get("reference", {})
    assert control["cosine_min"] <= control["cosine_mean"] < floor.cosine_min
    for judged in floors.of_file(key, control, reference, floor):
        if not judged.most:  # of pixels the control knows nothing
            assert judged.value is not None and not judged.holds, str(judged)


@pytest.mark.parametrize("model", [name for name in SHIPPED if name in METRICS])
@pytest.mark.parametrize("graph", ROUNDED)
def test_16_bits_hold_every_weight_but_the_token_table(model, graph):
    assert METRICS[model][graph]["fp16w"]["rounded_tensors"] == ROUNDED[graph]


def test_every_shipped_file_has_a_floor():
    wanted = {
        f"{model}.{graph}.{variant}"
        for model in SHIPPED
        if model in PARAMS.grid.models
        for graph, variant in PARAMS.grid.files_and_pytorch(model)
    }
    assert wanted <= {key for key, _ in FLOORS}


def test_metrics_are_of_the_grid_and_of_enough_inputs():
    assert set(METRICS) == set(PARAMS.grid.models)
    for model, graph, variant in figures.present(METRICS, PARAMS.grid):
        least = LEAST.get(graph, 64) if PARAMS.evalset.images == SHIPPED_PICTURES else 1
        assert METRICS[model][graph][variant]["inputs"] >= least, f"{model}.{graph}.{variant}"


def test_every_model_has_figures_of_a_tower_in_all_that_it_is_built_in():
    """A checkpoint may hold one tower; of that every encoding and profile is measured."""
    for model, graphs in METRICS.items():
        towers = graphs.keys() & {*TOWERS}
        assert towers == {*TOWERS} or model not in SHIPPED
        assert towers
        for tower in towers:
            assert graphs[tower].keys() >= {*PARAMS.grid.variants(model, tower)}
