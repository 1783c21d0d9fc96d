"""What bench/runtimes.json holds, as it is committed."""

import json

import pytest

from bench import adapters, runtimes
from clip_onnx.names import TOWERS

pytestmark = pytest.mark.runtimes


@pytest.fixture
def records():
    if not runtimes.RECORDS.exists():
        pytest.skip(f"{runtimes.RECORDS} is not there: make bench NAME=runtimes")
    return json.loads(runtimes.RECORDS.read_text("utf-8"))


def test_the_tables_are_of_the_records(records):
    assert runtimes.RECORDS.with_suffix(".md").read_text("utf-8") == runtimes.markdown(records)


def test_every_runtime_of_every_file_was_measured_once_and_computes_what_onnx_runtime_does(records):
    keys = [tuple(one[key] for key in ("model", "tower", "variant", "runtime")) for one in records]
    measured = {key[0] for key in keys} | set(runtimes.MODELS)
    assert sorted(keys) == sorted(
        (model, tower, variant, name)
        for model in measured
        for tower in TOWERS
        for name, one in adapters.RUNTIMES.items()
        for variant in one.variants
    )
    for one in records:
        if "reason" not in one:
            assert one["runtime_cosine"] >= 0.9999, one
            assert min(one["load_s"], one["run_ms"]) > 0, one
