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
CASES = pytest.mark.parametrize(("key", "floor"), FLOORS, ids=[key for key, _ in FLOORS])
SHIPPED = ("tiny-vit", "tiny-rn")


def metrics(key):
    model, graph, variant = key.split(".")
    found = METRICS.get(model, {}).get(graph, {}).get(variant)
    assert found, f"{key}: has a floor and no metrics; add it to grid: or drop the floor"
    return found


@CASES
def test_worst_cosine_holds_its_floor(key, floor):
    value = metrics(key)["cosine_min"]
    assert value >= floor.cosine_min, f"{key}: cosine_min {value} is below {floor.cosine_min}"


@CASES
def test_snr_holds_its_floor(key, floor):
    value = metrics(key)["snr_db"]
    assert value >= floor.snr_db, f"{key}: snr_db {value} is below {floor.snr_db}"


@CASES
def test_accuracy_stays_with_the_references(key, floor):
    if floor.accuracy_drop is None:
        return  # no floor of this kind for this file
    model, graph, _ = key.split(".")
    value, best = metrics(key)["accuracy"], METRICS[model][graph]["reference"]["accuracy"]
    assert value >= best - floor.accuracy_drop, f"{key}: accuracy {value}, the reference's {best}"


@CASES
def test_another_inputs_embedding_fails_every_floor(key, floor):
    """The negative control: a floor that a wrong embedding passes would say nothing."""
    model, graph, _ = key.split(".")
    control = METRICS[model][graph]["control"]
    assert control["cosine_min"] < floor.cosine_min
    assert control["cosine_mean"] < floor.cosine_min
    assert control["snr_db"] < floor.snr_db


def test_every_shipped_file_has_a_floor():
    wanted = {
        f"{model}.{tower}.{encoding}"
        for model in SHIPPED
        if model in PARAMS.grid.models
        for tower in PARAMS.grid.towers
        for encoding in PARAMS.grid.encodings.all
    }
    assert wanted <= {key for key, _ in FLOORS}


def test_metrics_are_of_the_grid_and_of_enough_inputs():
    assert set(METRICS) == set(PARAMS.grid.models)
    for model, graphs in METRICS.items():
        for graph, variants in graphs.items():
            for variant in PARAMS.grid.encodings.all:
                least = 64 if graph == "visual" else 256
                assert variants[variant]["inputs"] >= least, f"{model}.{graph}.{variant}"
