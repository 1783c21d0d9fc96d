"""The ladder's benchmark: whose turn it is, its table, and two commits of a small project."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from bench import ladder, pipeline, records, rungs, table
from bench.process import Cost
from clip_onnx import command

import clones


def side(by, *items):
    return ladder.Side(by, f"{by}-commit", None, dict.fromkeys(items))


def test_commits_take_turns_and_so_does_who_begins():
    sides = [side("ours", "calibrate", "a", "b"), side("earlier", "a", "b", "gone")]
    turns = [(item, one.by) for item, one in ladder.turns(sides)]
    assert turns == [
        ("calibrate", "ours"),
        *(("a", "earlier"), ("a", "ours")),
        *(("b", "ours"), ("b", "earlier")),
        ("gone", "earlier"),
    ]


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("stages.quantize data/models/m/visual/fp32 int8w data/models/m/visual/int8w", "m.int8w"),
        ("stages.encode int8w C --visual I data/models/m/visual/int8w", "m.int8w"),
    ],
)
def test_an_earlier_commits_stages_have_todays_names(line, item):
    assert ladder.item(["python", "-m", *line.split()]) == f"{item}.encode"


def rung(by, stage, wall, peak):
    item = f"vit.visual.{stage}" if stage != "calibrate" else "vit.calibrate"
    place = {"item": item, "model": "vit", "stage": stage, "by": by, "commit": by.upper()}
    return place | {"wall_s": wall, "cpu_s": 2 * wall, "peak_rss_mb": peak}


BOTH = [
    rung("earlier", "quantize", 40.0, 500),
    rung("ours", "calibrate", 6.0, 1000),
    rung("ours", "quantize", 10.0, 250),
]


def rows(text):
    """{the first cell: the others} of the only Markdown table of a text."""
    lines = [row for row in text.splitlines() if row.startswith("|")]
    cut = [[cell.strip() for cell in row.split("|")[1:-1]] for row in lines]
    return {first: others for first, *others in cut}


def test_the_table_has_both_commits_side_by_side_their_totals_and_ratios():
    text = rungs.markdown(BOTH)
    assert text.startswith("## The calibrated ladder of vit\n")
    found = rows(text)
    assert found["stage"][:3] == ["s, OURS", "s, EARLIER", "s, ratio"]
    assert found["calibrate"] == ["6.0", "", "", "12.0", "", "", "1000", "", ""]
    assert found["visual.quantize"][:3] == ["10.0", "40.0", "0.25"]
    assert found["all"] == ["16.0", "40.0", "0.40", "32.0", "80.0", "0.40", "1000", "500", "2.00"]


def test_one_commit_alone_has_nothing_to_be_compared_with():
    text = rungs.markdown([one for one in BOTH if one["by"] == rungs.OURS])
    assert rows(text)["stage"] == ["s, OURS", "CPU s, OURS", "MB, OURS"]
    assert "ratio" not in text
    assert rungs.markdown([]) == ""


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A repository with two commits; its vit-b-32 has an address, so that a twin is taken."""
    folder = tmp_path_factory.mktemp("ladder") / "project"
    content = clones.params({"vit": archives["vit"]})
    content["grid"]["encodings"] |= {"plain": ["int8w", "int4w"], "by_sensitivity": ["mixed"]}
    content["bundle"] = {}
    content["models"]["vit-b-32"] = {"source": "https://example.org/vit.pt", "sha256": "0" * 64}
    clones.project(folder, content, folder.parent / "remote")
    (folder / "later.txt").write_text("so that there is a second commit", "utf-8")
    clones.commit(folder)
    return folder


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    yield project
    shutil.rmtree(project / "build", ignore_errors=True)


def pretend(folder, arguments):
    """Leave what a command line would make."""
    for path in pipeline.outputs(arguments):
        output = folder / path
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("made", "utf-8")


@pytest.fixture
def runs(monkeypatch):
    """The (folder, command line) of every process, none of which is run."""
    found = []

    def measured(arguments, folder, _):
        found.append((folder, arguments))
        pretend(folder, arguments)
        return Cost(1.23, 100.4, 2.34)

    for module in (ladder, pipeline):
        monkeypatch.setattr(module, "measured", measured)
    return found


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was(here, runs):
    revisions = ladder.commits("HEAD~1")
    first = ladder.measure("vit", revisions, ["int8w", "mixed"])
    stages = [pipeline.stage(line) for _, line in runs]
    began = stages.index("calibrate")
    assert not {*stages[:began]} & {*ladder.STAGES}
    assert {*stages[began:]} == {*ladder.STAGES}
    assert len(first) == len(stages[began:]) == 2 * (1 + 1 + 1 + 1)
    assert {one["by"]: one["commit"] for one in first} == revisions
    assert first[0]["item"] == "vit.calibrate"
    assert (first[0]["wall_s"], first[0]["cpu_s"], first[0]["peak_rss_mb"]) == (1.2, 2.3, 100)
    runs.clear()
    last = here / "build/bench-ladder/vit" / revisions["ours"]
    (file,) = last.rglob("data/models/vit/visual/mixed")
    file.unlink()
    again = ladder.measure("vit", revisions, ["int8w", "mixed"])
    assert [pipeline.item(line) for _, line in runs] == ["vit.mixed.encode"]
    assert sorted(again, key=str) == sorted(first, key=str)


@pytest.mark.slow
def test_both_commits_start_from_the_twin_that_is_shared(here, runs, archives, monkeypatch):
    made = []

    def twin(model, folder):
        made.append(model)
        return shutil.copyfile(archives["vit"], folder / f"{model}.pt")

    monkeypatch.setattr(pipeline, "twin", twin)
    ladder.measure("vit-b-32", ladder.commits("HEAD~1"), ["int8w"])
    assert made == ["vit-b-32"]
    files = list(Path("build/bench-ladder").glob("vit-b-32/*/build/*/*/params.yaml"))
    entries = [yaml.safe_load(file.read_text("utf-8")) for file in files]
    assert len(entries) == 2
    shared = Path("build/bench-ladder/twins/vit-b-32.pt")
    for entry in entries:
        assert Path(entry["models"]["vit-b-32"]["source"]).samefile(shared)
        assert entry["evalset"]["drawn"] == pipeline.TWINS_EVALSET["drawn"]


def test_a_commit_that_is_none_or_head_is_refused(here):
    for revision in ("nothing", "HEAD"):
        with pytest.raises(command.Refusal, match=f"^{revision}: no commit, or HEAD"):
            ladder.commits(revision)
    assert ladder.commits(None) == {"ours": records.commit()}


def test_a_models_records_replace_its_old_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(rungs, "RECORDS", tmp_path / "ladder.json")
    monkeypatch.setattr(table, "write", lambda: None)
    fresh = [one | {"model": "tiny-vit"} for one in BOTH]
    ladder.publish("tiny-vit", fresh[:1])
    ladder.publish("tiny-vit", fresh[1:])
    assert json.loads(rungs.RECORDS.read_text("utf-8")) == fresh[1:]
