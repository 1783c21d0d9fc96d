"""The comparison's pure functions, its programs on small models, and the records in git."""

import json

import numpy as np
import pytest

from bench import at_a_glance, comparison, encodings, peers, picture, speed
from clip_onnx import command, graphs
from clip_onnx.names import TOWERS
from clip_onnx.settings import params

import small

PLAIN = {
    "load_s": 1.0,
    "load_rss_mb": 10.0,
    "run_rss_mb": 8.0,
    "run_ms": 3.0,
    "fp32_ms": 2.0,
    "torch_ms": 4.0,
}


def record(by, encoding, size, cosine, snr=40.0, tower="visual", **others):
    place = {"by": by, "model": "tiny-vit", "tower": tower, "encoding": encoding}
    metrics = {"size_mb": size, "cosine_min": cosine, "cosine_mean": cosine, "snr_db": snr}
    return place | metrics | PLAIN | {"synthetic": False, "commit": "abc"} | others


def beaten_by(records):
    return {
        place[3]: [r["encoding"] for r in ours]
        for place, ours in comparison.dominated(records).items()
    }


def test_a_peer_is_dominated_by_what_is_closer_and_no_larger():
    records = [
        record("ours", "large", 1.02, 1.0),
        record("ours", "as-large", 1.009, 0.998),
        record("ours", "small", 0.5, 0.999),
        record("ours", "further", 0.5, 0.98),
        record("ours", "elsewhere", 0.5, 1.0, tower="textual"),
        record("peer", "q8", 1.0, 0.99),
    ]
    assert beaten_by(records) == {"q8": ["small", "as-large"]}


def test_snr_tells_apart_cosines_of_seven_equal_digits():
    records = [record("ours", "a", 1, 0.9999997, 65.7), record("ours", "b", 1, 0.9999997, 60)]
    assert beaten_by([*records, record("peer", "fp16", 1, 0.9999997, 64.7)]) == {"fp16": ["a"]}


def test_a_peer_outdoes_a_file_where_it_is_closer_and_no_larger_on_disk_nor_in_memory():
    ours = [record("ours", "a", 1, 0.9, run_rss_mb=9), record("ours", "b", 1, 0.9, run_rss_mb=7)]
    peer = [record("peer", "q4", 1, 0.95), record("peer", "q8", 1.1, 0.99)]
    assert [*comparison.outdone(ours + peer)] == [("a", "q4")]


def test_an_equal_file_dominates_nothing_and_is_named_so():
    same = [record(by, "fp16", 1, 0.9999927, 57.2) for by in ("ours", "peer")]
    records = [record("ours", "fp32", 2, 1.0), *same]
    assert beaten_by(records) == {"fp16": []}
    (equal,) = comparison.equalled(records).values()
    assert [one["encoding"] for one in equal] == ["fp16"]
    assert "fp16 (equal)" in comparison.summary(records)


def test_of_a_peer_without_numbers_only_the_size_counts():
    wrong = record("peer", "fp16", 1, None, None, reason="its embeddings are not finite")
    missing = record("peer", "q4", None, None, None, reason="it cannot be converted")
    records = [record("ours", "fp32", 2, 1.0), record("ours", "a", 1, 0.9), wrong, missing]
    assert beaten_by(records) == {"fp16": ["a"]}


def test_ratios_are_against_fp32_and_pytorch_at_its_best():
    base = record("ours", "fp32", 4, 1.0, load_s=0.5, load_rss_mb=5, torch_ms=3)
    peer = record("peer", "q8", 1, 0.9)
    assert comparison.ratios(peer, [base, peer]) == {
        "size_ratio": 0.25,
        "load_ratio": 2,
        "load_rss_ratio": 2,
        "run_rss_ratio": 1,
        "run_ratio": 1,
        "fp32_run_ratio": 1.5,
        "several_ratio": None,
    }


def test_the_tables_hide_no_failure():
    nothing = dict.fromkeys(encodings.MEASURED)
    failed = record("peer", "q4", None, None) | nothing | {"reason": "no kernel"}
    wrong = record("peer", "fp16", 2, None, None, reason="its embeddings are not finite")
    records = [record("ours", "fp32", 4, 1.0, synthetic=True), failed, wrong]
    text = comparison.markdown(records, by_use="")
    assert "## tiny-vit (twin), visual" in text
    assert "peer's `q4`: no kernel" in text
    summary = comparison.summary(records)
    assert "does not run" in summary
    assert "none" in summary


def test_the_picture_repeats_itself_and_leaves_out_what_has_no_cosine(tmp_path):
    records = [
        record("ours", "fp32", 4, 1.0),
        record("peer", "q8", 1, 0.9),
        record("peer", "fp16", 2, None),
    ]
    assert [(x, y) for _, x, y in picture.points(records)] == [
        (1, picture.SMALLEST_ERROR),
        (0.25, pytest.approx(0.1)),
    ]
    drawn = []
    for name in "ab":
        picture.draw(records, tmp_path / name)
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1]
    assert b"<svg" in drawn[0]


def test_readmes_picture_repeats_itself_and_has_the_files_that_gave_numbers(tmp_path):
    def of(by, encoding, size, cosine):
        return record(by, encoding, size, cosine) | {"model": at_a_glance.MODEL}

    ours = [of("ours", "fp32", 4, 1.0), of("ours", "int8w", 1, 0.999), of("ours", "x", 2, 0.99)]
    records = [*ours, of("peer", "q8", 1, 0.9), of("peer", "fp16", 2, None)]
    assert [at_a_glance.digits(cosine) for cosine in (0.99, 1.0)] == [
        pytest.approx(2),
        pytest.approx(7.3, abs=0.01),
    ]
    for name in "ab":
        at_a_glance.draw(records, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    (axes,) = at_a_glance.figure(records).axes
    assert [len(points.get_offsets()) for points in axes.collections] == [3, 1]
    assert [text.get_text() for text in axes.texts] == ["int8w", "q8"]


@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("peer", peers.PEERS)
def test_peers_make_a_file_that_evaluate_knows(built, tmp_path, monkeypatch, kind, peer):
    monkeypatch.chdir(small.ROOT)
    source = built / "data/models" / kind / "visual/fp32"
    encodings.run("bench.peers", peer, source, tmp_path / peer)
    model = graphs.load(tmp_path / peer)
    assert model.metadata_props["graph"] == "visual"
    assert graphs.size(tmp_path / peer) < graphs.size(source)
    kinds = {str(value.const_value.dtype) for value in model.graph.initializers.values()}
    if peer.startswith("q8"):
        assert "UINT8" in kinds  # there is a Conv in both


@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_pytorch_and_the_file_do_the_same_work(built, tower):
    batch = speed.one_input(built / "data/reference/vit", tower)
    assert batch.shape[0] == 1
    if tower == "textual":
        assert batch.shape[1] == speed.TOKENS
    ours = speed.onnx_run(built / "data/models/vit" / tower / "fp32", batch)()
    theirs = speed.torch_run(built / "data/checkpoints/vit", tower, batch)()
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * abs(theirs).max())


def test_eight_at_once_are_compared_with_fp32s_eight():
    base, one = record("ours", "fp32", 4, 1.0), record("ours", "int8w", 1, 0.999)
    found = comparison.row(one | {"run_8_ms": 6.0, "fp32_8_ms": 4.0}, [base, one])
    assert found["8 at once, ms / fp32"] == "1.50×"
    assert comparison.row(one, [base, one])["8 at once, ms / fp32"] == ""


def test_the_fastest_of_interleaved_runs_counts(monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0)
    calls = []
    runs = {name: lambda name=name: calls.append(name) for name in "abc"}
    best = speed.fastest(runs)
    assert best.keys() == runs.keys()
    assert all(0 <= milliseconds < 10 for milliseconds in best.values())
    rounds = [calls[start : start + 3] for start in range(0, len(calls), 3)]
    assert len(rounds) == speed.WARM_UP + speed.ROUNDS
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_load_is_measured_and_a_failing_one_says_why(built, tmp_path, monkeypatch):
    monkeypatch.chdir(small.ROOT)
    measured = json.loads(encodings.run("bench.load", built / "data/models/vit/textual/fp32"))
    assert 0 < measured["load_s"] < 60
    assert 10 < measured["load_rss_mb"] < 1000
    assert 10 < measured["run_rss_mb"] < 1000
    (tmp_path / graphs.FILE).write_text("no model", "utf-8")
    with pytest.raises(command.Refusal, match=r"bench\.load: .*model\.onnx"):
        encodings.run("bench.load", tmp_path)


@pytest.fixture
def workspace(tmp_path, archives, monkeypatch):
    """The workspace of the small `vit` in a temporary project."""
    content = small.params(archives)
    small.set_up(tmp_path, content)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return encodings.prepare("vit", params.load().models["vit"])


@pytest.mark.slow
def test_every_encoding_of_the_grid_is_built(workspace, monkeypatch):
    monkeypatch.setattr(encodings.pipeline, "measured", lambda *_: None)
    files = encodings.build("vit", workspace)
    grid = params.load().grid
    assert {file[:4] for file in files} == {
        ("ours", "vit", tower, encoding)
        for tower in TOWERS
        for encoding in grid.variants("vit", tower)
    }
    for file in files:
        assert file.directory == workspace / f"data/models/vit/{file.tower}/{file.encoding}"
    found = list(encodings.others(files, workspace))
    assert len(found) == len(TOWERS) * len(peers.PEERS)


@pytest.mark.slow
def test_chosen_encodings_are_built_with_fp32_alone(workspace, monkeypatch):
    monkeypatch.setattr(encodings.pipeline, "measured", lambda *_: None)
    again = encodings.prepare("vit", params.load().models["vit"], ["int8w"])
    files = encodings.build("vit", again)
    towers = TOWERS
    assert {file[2:4] for file in files} == {(t, e) for t in towers for e in ("fp32", "int8w")}
    grid = params.load(again / "params.yaml").grid.encodings
    assert (grid.plain, grid.by_sensitivity) == (["fp32"], ["int8w"])


@pytest.mark.slow
def test_what_was_measured_is_not_measured_again(workspace, monkeypatch):
    file = encodings.File("ours", "vit", "visual", "fp32", workspace / "a", workspace / "b")
    monkeypatch.setattr(encodings, "build", lambda *_: [file])
    monkeypatch.setattr(encodings, "others", lambda *_: [])
    measured = []
    monkeypatch.setattr(encodings, "measure", lambda *a: measured.append(a) or {"run_ms": 1.0})
    settings = params.load().models["vit"]
    first = encodings.measure_all("vit", settings)
    assert encodings.measure_all("vit", settings) == first
    assert len(measured) == 1
    assert (first[0]["encoding"], first[0]["synthetic"]) == ("fp32", False)


@pytest.mark.parametrize("whole, kept", [(True, ["new"]), (False, ["new", "old"])])
def test_records_of_a_whole_model_replace_all_of_it(tmp_path, monkeypatch, whole, kept):
    monkeypatch.setattr(comparison, "RECORDS", tmp_path / "records.json")
    monkeypatch.setattr(encodings, "show", lambda _: None)
    encodings.publish([record("ours", "old", 1, 1.0)])
    encodings.publish([record("ours", "new", 1, 1.0)], whole)
    found = json.loads(comparison.RECORDS.read_text("utf-8"))
    assert sorted(one["encoding"] for one in found) == kept


def test_a_peers_failure_is_recorded_and_ours_stops(tmp_path, monkeypatch):
    def fail(*_):
        raise command.Refusal("bench.peers: no such operator")

    monkeypatch.setattr(encodings, "run", fail)
    names = ("vit", "visual", "q4", tmp_path / "q4", tmp_path / "q4.json")
    found = encodings.measure(encodings.File("peer", *names), tmp_path)
    assert found == dict.fromkeys(encodings.MEASURED) | {"reason": "bench.peers: no such operator"}
    (tmp_path / "q4.json").write_text(
        json.dumps({"metrics": dict.fromkeys(encodings.METRICS)}), "utf-8"
    )
    with pytest.raises(command.Refusal):
        encodings.measure(encodings.File("ours", *names), tmp_path)
