"""bench/gpu.py on the CPU, where its files and its feeds can be tried."""

import json

import pytest

from bench import gpu, gpu_runs
from clip_onnx import command

import small


@pytest.fixture
def data(built, monkeypatch):
    """The small models' folder, with what the bench builds."""
    monkeypatch.chdir(built)
    for tower in ("visual", "textual"):
        target = built / f"data/models/vit/{tower}/fp16-gpu"
        if not target.exists():
            small.encode("vit", tower, "fp16-gpu", target)
    return built / "data"


@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_every_way_is_timed_on_the_same_batch(data, monkeypatch, tower):
    monkeypatch.setattr(gpu, "SECONDS", 0.1)
    monkeypatch.setattr(gpu_runs.torch, "compile", lambda function, dynamic: function)
    records = [*gpu.measure(data, "vit", tower, 2, "cpu")]
    assert {one["by"] for one in records} == {"pytorch", "torch.compile", *gpu.ENCODINGS}
    assert all(one["ms"] > 0 for one in records)
    assert all(one["cosine"] > 0.9999 for one in records if one["cosine"] is not None)


def test_the_page_says_how_many_times_as_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "RECORDS", tmp_path / "gpu.json")
    place = {"model": "m", "tower": "visual", "batch": 1, "device": "a GPU", "commit": "abc"}
    place["with"] = "some versions"
    times = {"pytorch": 4.0, "torch.compile": 2.0, "fp32": 8.0, "fp16": 3.2, "fp16-gpu": 1.6}
    gpu.publish([place | {"by": by, "ms": ms, "cosine": 0.5} for by, ms in times.items()])
    page = (tmp_path / "gpu.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| m "))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("m", "visual", "1", "4.00", "2.00×", "0.50×", "1.25×", "2.50×", "0.5000000")
    ]
    assert len(json.loads((tmp_path / "gpu.json").read_text("utf-8"))) == 5


def test_without_a_gpu_it_says_so_in_one_line():
    if gpu_runs.PROVIDERS["cuda"] in gpu.onnxruntime.get_available_providers():
        pytest.skip("there is one")
    with pytest.raises(command.Refusal, match="no CUDAExecutionProvider here: install onnxr"):
        gpu.need("cuda")
