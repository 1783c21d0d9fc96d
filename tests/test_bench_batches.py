"""bench/batches.py: the line through the times of batches, and its page."""

import json

import pytest

from bench import batches


def test_what_a_run_takes_and_what_each_picture_does():
    times = {count: 12.5 + 30 * count for count in batches.BATCHES}
    assert batches.line(times) == pytest.approx((12.5, 30))


def test_small_batches_say_as_much_as_large_ones():
    times = {count: 10.0 + 20 * count for count in batches.BATCHES}
    fixed, each = batches.line(times | {16: 1.05 * times[16]})
    assert abs(fixed - 10) < 1 and abs(each - 20) < 1


def test_every_batch_is_run_of_the_same_picture(built):
    import numpy as np

    pictures = np.load(built / "data/reference/vit/pixel_values.npy", mmap_mode="r")[:1]
    found = batches.runs(built / "data/models/vit/visual/fp32", pictures, threads=1)
    embeds = {count: run()[0] for count, run in found.items()}
    assert {count: len(rows) for count, rows in embeds.items()} == {n: n for n in batches.BATCHES}
    np.testing.assert_allclose(embeds[16], np.repeat(embeds[1], 16, axis=0), rtol=1e-4, atol=1e-5)


def test_the_page_has_a_row_of_each_record():
    about = {"encoding": "fp32", "threads": 2, "size_mb": 351.5, "gflop": 8.8, "cpu": "AVX2"}
    record = about | {"ms": {count: 10.0 * count for count in batches.BATCHES}, "commit": "abc"}
    record |= {"fixed_ms": 12.5, "each_ms": 44.0, "read_ms": 14.0, "gflop_s": 250}
    page = batches.markdown([json.loads(json.dumps(record))])
    row = next(line for line in page.splitlines() if line.startswith("| `fp32`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "2" and cells[-5:] == ["44.0", "12.5", "14.0 (352)", "200", "250"]
