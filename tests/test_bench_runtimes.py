"""The runtimes' benchmark: its own code, and the runtimes where they are installed."""

import sys

import numpy as np
import pytest

from bench import adapters, models, pipeline, runtimes, speed
from clip_onnx import command
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from runtimes import browser, jobs, litert_programs

import small

pytestmark = pytest.mark.runtimes

missing = browser.missing("onnxruntime-web", "onnxjs", "@huggingface/transformers")
no_litert = litert_programs.missing()
STD = [name for name, one in adapters.RUNTIMES.items() if adapters.STD[0] in one.variants]


@pytest.fixture
def few(monkeypatch):
    """One round of runs, whatever it takes."""
    monkeypatch.setattr(speed, "SECONDS", 0)
    monkeypatch.setattr(speed, "ROUNDS", 1)


class Fake:
    """A runtime that answers with given figures, from the last to the first load."""

    def __init__(self, embeds, loads, runs):
        self.embeds, self.loads, self.runs, self.calls = embeds, loads, runs, []

    def __call__(self, directory, feeds, turn):
        self.calls.append(turn)
        load = self.loads[turn] if self.calls.count(turn) == 1 else 0
        ms = self.runs[len(self.calls) % len(self.runs)]
        return {"embeds": np.float32([self.embeds])}, load, ms


def test_the_least_of_what_takes_turns_counts_and_a_refusal_stays(few):
    def refuse(*_):
        raise command.Refusal("no kernel\nat a place")

    answers = {
        adapters.BASE: Fake([1, 0], [300, 200, 100], [7, 5, 6]),
        "other": Fake([3, 4], [3000, 1000, 2000], [20, 30]),
        "none": refuse,
    }
    found = runtimes.in_turns(answers, "directory", {})
    assert found["none"] == {"reason": "no kernel"}
    assert found[adapters.BASE]["load_s"] == 0.1
    assert found["other"]["load_s"] == 1.0
    assert found["other"]["runtime_cosine"] == 0.6
    assert found["other"]["run_ms"] in (20, 30)
    for name in (adapters.BASE, "other"):
        assert answers[name].calls[: runtimes.LOADS] == [0, 1, 2]
        assert set(answers[name].calls[runtimes.LOADS :]) == {2}


def test_nothing_is_compared_with_a_base_that_fails(few):
    def refuse(*_):
        raise command.Refusal("no such file")

    with pytest.raises(command.Refusal, match="no such file"):
        runtimes.in_turns({adapters.BASE: refuse}, "directory", {})


def test_slow_runs_end_after_a_round():
    calls = []
    assert speed.least({"slow": lambda: calls.append(1) or 5.0}, most=1e-9) == {"slow": 5.0}
    assert len(calls) == speed.WARM_UP + 1


def test_a_file_is_loaded_once_a_turn():
    loads = []
    answer = adapters.kept(lambda directory: loads.append(directory) or (lambda feeds: feeds))
    for directory, turn in [("a", 0), ("a", 0), ("a", 1), ("b", 1), ("a", 1)]:
        outputs, *ms = answer(directory, {"x": 1}, turn)
        assert outputs == {"x": 1}
        assert min(ms) >= 0
    assert loads == ["a", "a", "b", "a"]


def test_an_answer_of_a_program_that_has_ended_is_a_refusal():
    with jobs.program(sys.executable, "-c", "raise SystemExit(3)") as ask:
        for _ in range(2):
            with pytest.raises(command.Refusal, match="ended with status 3"):
                ask({"a": "job"})


@pytest.mark.parametrize(("variant", "length"), [("fp32", 16), ("npu", 77)])
def test_a_caption_of_16_tokens_is_padded_where_the_length_is_fixed(bundled, variant, length):
    data = bundled / "data"
    given = runtimes.feeds(data / "models/vit/textual" / variant, data, "vit", "textual")
    ids = given["input_ids"]
    assert ids.shape == (1, length)
    assert ids[0].argmax() == 15


def test_a_twins_workspace_makes_what_the_runtimes_run(tmp_path, archives, monkeypatch):
    small.set_up(tmp_path, small.params(archives))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    models.FOLDER.mkdir(parents=True)
    address = models.serve(archives["vit"].parent)
    folder = models.workspace("vit", archives["vit"], address, runtimes.GRID)
    lines = pipeline.commands(folder, ["bundle"])
    made = {path for line in lines for path in pipeline.outputs(line)}
    assert {
        f"data/models/vit/{tower}/{variant}" for tower in TOWERS for variant in runtimes.VARIANTS
    } <= made
    assert "data/bundles/vit" in made
    assert {*adapters.STD} <= {*params.load(folder / "params.yaml").grid.encodings.all}


@pytest.fixture(scope="module")
def window():
    with browser.chromium() as opened:
        yield opened


def check(answer, directory, given, own):
    """That a runtime gives `own`, and that another turn, not another run, loads the file anew."""
    outputs, first, ms = answer(directory, given, 0)
    (embeds,) = outputs.values()
    assert parity.cosine(own, np.asarray(embeds)).min() >= 0.99999
    assert ms > 0
    again, anew = (answer(directory, given, turn)[1] for turn in (0, 1))
    assert again < min(first, anew) / 2


@pytest.mark.skipif(missing is not None, reason=str(missing))
@pytest.mark.parametrize("name", STD)
@pytest.mark.parametrize("file", ["visual/int8w", "textual/fp32"])
def test_runtimes_give_onnx_runtimes_embedding(bundled, window, name, file):
    data, tower = bundled / "data", file.split("/")[0]
    directory = data / "models/vit" / file
    given = runtimes.feeds(directory, data, "vit", tower)
    own = sessions.session(directory).run(None, given)[0]
    with adapters.RUNTIMES[name].opened(window, data) as answer:
        check(answer, directory, given, own)


@pytest.fixture
def profiled(tiny, tmp_path, monkeypatch):
    """A data folder with tiny-vit's visual tower in the profiles."""
    small.write_params(tiny, small.tiny_params())
    with monkeypatch.context() as patch:
        patch.chdir(tiny)
        for profile in (adapters.ONNXJS, adapters.NPU):
            small.patch("tiny-vit", "visual", profile)
    (tmp_path / "models").symlink_to(tiny / "data/patch")
    (tmp_path / "reference").symlink_to(tiny / "data/reference")
    return tmp_path


@pytest.mark.skipif(bool(missing or no_litert), reason=str(missing or no_litert))
@pytest.mark.parametrize(("name", "profile"), [("onnxjs", "onnxjs"), ("litert", "npu")])
def test_profiles_runtimes_give_onnx_runtimes_embedding(profiled, window, name, profile):
    directory = profiled / "models/tiny-vit/visual" / profile
    session = sessions.session(directory)
    given = runtimes.feeds(directory, profiled, "tiny-vit", "visual")
    with adapters.RUNTIMES[name].opened(window, profiled) as answer:
        check(answer, directory, given, session.run(None, given)[0])


def record(name, **figures):
    place = {"model": "vit-b-32", "tower": "visual", "variant": "fp32", "runtime": name}
    return place | {"threads": 2, "synthetic": True, "commit": "abc"} | figures


def test_the_table_has_multiples_of_onnx_runtime_and_hides_no_failure():
    records = [
        record(adapters.BASE, load_s=0.5, run_ms=40.0, runtime_cosine=1.0),
        record("openvino", load_s=1.0, run_ms=30.0, runtime_cosine=0.9999999),
        record("onnxruntime-web", reason="out of memory"),
    ]
    assert runtimes.row(records[1], records) == {
        "file": "visual.fp32",
        "runtime": "openvino",
        "threads": 2,
        "load s": "1.000",
        "load s / ORT": "2.00×",
        "run ms": "30.0",
        "run ms / ORT": "0.75×",
        "cosine against ORT": "0.9999999",
    }
    text = runtimes.markdown(records)
    assert "## vit-b-32 (twin)" in text
    assert "onnxruntime-web does not run `visual.fp32`: out of memory" in text
