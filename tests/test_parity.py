"""The gate: `make gate` judges metrics/parity.json by `floors:` of params.yaml.

Stages measure and finish; only here does a number decide. Floors live in params.yaml because the
bundles carry them too; what cannot be said as a number there stands below with its reason.
"""

import json
from pathlib import Path

import pytest

from stages import params

PARAMS = params.load()
METRICS = json.loads(Path("metrics/parity.json").read_text())
FLOORS = [
    (f"{model}.{graph}.{variant}", floor)
    for model, graphs in PARAMS.floors.items()
    if model in PARAMS.grid.models
    for graph, variants in graphs.items()
    for variant, floor in variants.items()
]
SHIPPED = ("tiny-vit", "tiny-rn")
SHIPPED_PICTURES = "stages/photographs.csv"
LEAST = {"visual": 64, "textual": 256}  # inputs of the shipped evaluation set
ROUNDED = {"visual": 0, "textual": 1}  # tensors of a 16-bit file: OpenAI's token table is fp32


def cases(floors):
    return pytest.mark.parametrize(("key", "floor"), floors, ids=[key for key, _ in floors])


CASES = cases(FLOORS)
ACCURACY_CASES = cases([(key, f) for key, f in FLOORS if f.accuracy_drop is not None])


def metrics(key):
    model, graph, variant = key.split(".")
    found = METRICS.get(model, {}).get(graph, {}).get(variant)
    assert found, f"{key}: has a floor and no metrics; add it to grid: or drop the floor"
    return found


def judge(key, name, value, floor):
    assert value is not None and value >= floor, f"{key}: {name} {value} is below {floor}"


@CASES
def test_worst_cosine_holds_its_floor(key, floor):
    judge(key, "cosine_min", metrics(key)["cosine_min"], floor.cosine_min)


@CASES
def test_snr_holds_its_floor(key, floor):
    judge(key, "snr_db", metrics(key)["snr_db"], floor.snr_db)


def least_accuracy(key, floor):
    model, graph, _ = key.split(".")
    assert "accuracy" in metrics(key), f"{key}: has no accuracy; drop accuracy_drop from its floor"
    return METRICS[model][graph]["reference"]["accuracy"] - floor.accuracy_drop


@ACCURACY_CASES
def test_accuracy_stays_with_the_references(key, floor):
    judge(key, "accuracy", metrics(key)["accuracy"], least_accuracy(key, floor))


PIXEL_CASES = cases([(key, f) for key, f in FLOORS if f.pixels_off is not None])


@PIXEL_CASES
def test_pixels_differ_by_one_grey_level_in_few_places(key, floor):
    assert metrics(key)["pixels_max"] <= 1
    assert metrics(key)["pixels_off"] <= floor.pixels_off


@CASES
def test_another_inputs_embedding_fails_every_floor(key, floor):
    """The negative control: a floor that a wrong embedding passes would say nothing."""
    model, graph, _ = key.split(".")
    control = METRICS[model][graph]["control"]
    assert control["cosine_min"] <= control["cosine_mean"] < floor.cosine_min
    assert control["snr_db"] < floor.snr_db
    if floor.accuracy_drop is not None:
        assert control["accuracy"] < least_accuracy(key, floor)


@pytest.mark.parametrize("model", [name for name in SHIPPED if name in METRICS])
@pytest.mark.parametrize("graph", ROUNDED)
def test_16_bits_hold_every_weight_but_the_token_table(model, graph):
    assert METRICS[model][graph]["fp16w"]["rounded_tensors"] == ROUNDED[graph]


def test_every_shipped_file_has_a_floor():
    wanted = {
        f"{model}.{graph}.{variant}"
        for model in SHIPPED
        if model in PARAMS.grid.models
        for graph, variant in PARAMS.grid.files(model)
    }
    assert wanted <= {key for key, _ in FLOORS}


def test_published_answers_are_given():
    """Whichever belong to the grid's checkpoints; the shipped ones have none."""
    for model, graphs in METRICS.items():
        for name, answer in graphs.get("known_answers", {}).items():
            assert answer["agrees"], f"{model}: {name} differs from what was published: {answer}"


def test_metrics_are_of_the_grid_and_of_enough_inputs():
    assert set(METRICS) == set(PARAMS.grid.models)
    for model, graphs in METRICS.items():
        for graph, variant in PARAMS.grid.files(model):
            least = LEAST.get(graph, 64) if PARAMS.evalset.images == SHIPPED_PICTURES else 1
            assert graphs[graph][variant]["inputs"] >= least, f"{model}.{graph}.{variant}"
