"""What the pages say of the first picture of a batch is what bench/batches.json has."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = json.loads((ROOT / "bench/batches.json").read_text("utf-8"))
PAGE = (ROOT / "docs/files.md").read_text("utf-8")


def record(encoding):
    (found,) = (
        one
        for one in RECORDS
        if (one["by"], one["encoding"], one["threads"]) == ("ONNX Runtime", encoding, 2)
    )
    return found


def test_the_weights_are_a_quarter_of_a_single_pictures_time():
    assert "about a quarter of the time of a single picture" in PAGE
    fp32 = record("fp32")
    assert fp32["fixed_ms"] / fp32["ms"]["1"] == pytest.approx(1 / 4, abs=0.05)


def test_further_pictures_are_computed_at_four_fifths_of_the_cpus_speed():
    assert "at four fifths of the" in PAGE
    fp32 = record("fp32")
    speed = 1000 * fp32["gflop"] / fp32["each_ms"]
    assert speed / fp32["gflop_s"] == pytest.approx(4 / 5, abs=0.05)


def test_int8_dynamic_has_half_of_it():
    assert "about half of that left" in PAGE
    assert record("int8-dynamic")["fixed_ms"] / record("fp32")["fixed_ms"] == pytest.approx(
        1 / 2, abs=0.1
    )
