import json

import pytest

from clip_onnx import command
from runtimes import collect

pytestmark = pytest.mark.runtimes

GOOD = {"inputs": 8, "cosine": 1.0, "runtime_cosine": 1.0}


@pytest.fixture
def results(tmp_path):
    """data/runtimes of two models; one module gives two runtimes."""
    for module in collect.MODULES:
        for model in ("vit", "rn"):
            content = {f"{module}-{kind}": {"visual": {model: GOOD}} for kind in "ab"}
            (tmp_path / f"{module}.{model}.json").write_text(json.dumps(content), "utf-8")
    return tmp_path


def test_metrics_are_nested_by_runtime_and_model(results):
    found = collect.gather(results, ["vit", "rn"])
    assert len(found) == 2 * len(collect.MODULES)
    assert found["openvino-a"] == {"vit": {"visual": {"vit": GOOD}}, "rn": {"visual": {"rn": GOOD}}}


def test_a_model_that_is_not_in_the_grid_is_left_out(results):
    assert set(collect.gather(results, ["rn"])["litert-b"]) == {"rn"}


def test_a_result_that_is_missing_is_named(results):
    (results / "litert.rn.json").unlink()
    with pytest.raises(command.Refusal, match="litert.rn.json is missing: make runtimes"):
        collect.gather(results, ["vit", "rn"])
