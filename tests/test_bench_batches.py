"""bench/batches.py: the line through the times of batches, its runs, and its page."""

import json

import numpy as np
import pytest

pytest.importorskip("openvino", reason="it comes with `make runtimes`")

from bench import batches

pytestmark = pytest.mark.runtimes


def test_what_a_run_takes_and_what_each_picture_does():
    times = {count: 12.5 + 30 * count for count in batches.BATCHES}
    assert batches.line(times) == pytest.approx((12.5, 30))


def test_small_batches_say_as_much_as_large_ones():
    times = {count: 10.0 + 20 * count for count in batches.BATCHES}
    fixed, each = batches.line(times | {16: 1.05 * times[16]})
    assert abs(fixed - 10) < 1 and abs(each - 20) < 1


def test_every_batch_is_run_of_the_same_picture(built):
    pictures = np.load(built / "data/reference/vit/pixel_values.npy", mmap_mode="r")[:1]
    files = {name: built / "data/models/vit/visual" / name for name in ("fp32", "int8-dynamic")}
    engines = batches.engines(files, threads=1)
    assert {name for _, name in engines} == {*files} and len(engines) == 2 + 2
    exact = engines["ONNX Runtime", "fp32"](pictures)
    for (_, name), engine in engines.items():
        embeds = {count: run() for count, run in batches.runs(engine, pictures).items()}
        assert [len(rows) for rows in embeds.values()] == [*batches.BATCHES]
        if name == "fp32":
            expected = np.repeat(exact, 16, axis=0)
            np.testing.assert_allclose(embeds[16], expected, rtol=0.05, atol=0.02)


def test_the_page_has_a_row_of_each_record():
    about = {"encoding": "fp32", "by": "OpenVINO", "cosine": 0.9999, "threads": 2, "gflop": 8.8}
    record = about | {"ms": {count: 10.0 * count for count in batches.BATCHES}, "commit": "abc"}
    record |= {"fixed_ms": 12.5, "each_ms": 44.0, "read_ms": 14.0, "gflop_s": 250}
    record |= {"size_mb": 351.5, "cpu": "AVX2"}
    page = batches.markdown([json.loads(json.dumps(record))])
    row = next(line for line in page.splitlines() if line.startswith("| `fp32`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["OpenVINO", "2", "0.999900"]
    assert cells[-5:] == ["44.0", "12.5", "14.0 (352)", "200", "250"]
