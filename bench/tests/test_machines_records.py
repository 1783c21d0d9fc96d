"""What bench/old_cpu.json and gpu.json hold, as they are committed, and the docs say."""

import json

import pytest

from bench import gpu, old_cpu
from bench.records import read


def test_the_page_is_of_the_records():
    page = old_cpu.RECORDS.with_suffix(".md").read_text("utf-8")
    assert page == old_cpu.markdown(json.loads(old_cpu.RECORDS.read_text("utf-8")))


def test_what_docs_say_of_an_older_cpu():
    """All but int8's products are the same there; the eighth bit gains here and breaks there."""
    files = {}
    for one in read(old_cpu.RECORDS):
        files.setdefault((one["model"], one["tower"]), {})[one["encoding"]] = one
    assert len(files) == 4
    for encodings in files.values():
        seven, eight = encodings["int8-dynamic"], encodings[old_cpu.FULL]
        assert 2.5 < eight["here"]["snr_db"] - seven["here"]["snr_db"] < 4.5
        assert 10.5 < seven["there"]["snr_db"] - eight["there"]["snr_db"] < 17.5
        for name, one in encodings.items():
            if name != old_cpu.FULL:
                assert one["there"]["cosine"] == pytest.approx(one["here"]["cosine"], abs=1e-4)


def test_what_docs_say_of_a_gpu_was_measured():
    groups = {}
    for one in read(gpu.RECORDS):
        groups.setdefault((one["model"], one["tower"], one["batch"]), {})[one["by"]] = one["ms"]
    for (model, _, batch), ms in groups.items():
        if batch == 1:
            assert 1.5 <= ms["fp16-gpu"] / ms[gpu.GRAPH] <= 2.55
            assert ms["fp16-gpu"] < ms["torch.compile"]
        if model.startswith("rn"):
            assert ms[gpu.CHANNELS_LAST] < ms["fp16-gpu"]
        else:
            assert ms["fp16-gpu"] < min(ms["pytorch"], ms["fp16"])
            if batch == 128:
                assert ms["torch.compile"] < ms["fp16-gpu"] < ms["pytorch"] < ms["fp16"]
