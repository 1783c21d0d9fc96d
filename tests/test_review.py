"""The comment on a pull request, from states that are made up."""

import re

import pandas as pd
import pytest

from clip_onnx.settings import params
from tools import floors
from tools.review import changes, comment

OLD = {"cosine_min": 0.9999884, "snr_db": 48.9, "size_mb": 0.938, "accuracy": 0.9844, "inputs": 77}
NEW = OLD | {"cosine_min": 0.9999895, "snr_db": 50.1, "size_mb": 0.95}


def parity(**variants):
    return {"vit": {"visual": variants}}


def state(metrics, runtimes=None, parameters=None, pins=None, controls=None):
    return comment.State(metrics, controls or {}, runtimes or {}, parameters or {}, pins or {})


def text(old, new):
    return "\n\n".join(comment.differences(old, new))


def test_equal_states_have_no_sections():
    one = state(parity(int8w=OLD), parameters={"a": [1]}, pins={"onnx": "1"})
    assert comment.differences(one, one) == []


def test_a_changed_file_shows_old_and_new_in_millionths():
    found = text(state(parity(fp32=OLD, int8w=OLD)), state(parity(fp32=OLD, int8w=NEW)))
    (row,) = re.findall(r"^\| `vit.*", found, re.MULTILINE)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    changed = ["11.6 → 10.5", "48.9 → 50.1", "0.938 → 0.950", "0.9844"]
    assert cells == ["`vit.visual.int8w`", *changed]


def test_a_file_that_gives_no_number_is_a_row():
    broken = {"cosine_min": None, "snr_db": None, "size_mb": 0.0}
    old, new = parity(fp32=NEW, fp16=OLD, int8w=OLD), parity(fp32=OLD, fp16=broken, int8w=OLD)
    found = text(state(old), state(new))
    assert "| `vit.visual.fp16` | 11.6 → –" in re.sub(" +", " ", found)


def test_an_snr_beyond_fp32_is_shown_as_that():
    old, new = OLD | {"snr_db": 99.5}, OLD | {"snr_db": 100.0}
    own = [{name: one[name] for name in one if name != "size_mb"} for one in (old, new)]
    found = text(
        *(state(parity(fp32=one, pytorch=two)) for one, two in zip((old, new), own, strict=True))
    )
    assert re.sub(" +", " ", found).count("| 11.6 | 99.5 → > 100 |") == 2
    assert "vit.visual.pytorch" in found


def test_controls_are_not_compared():
    one, two = ({"vit": {"visual": {"control": {"snr_db": snr}}}} for snr in (1.0, 2.0))
    figures = parity(fp32=OLD)
    assert comment.differences(state(figures, controls=one), state(figures, controls=two)) == []


def test_a_reason_stays_in_its_cell():
    (cell,) = {changes._short("no | kernel\nfor it")}
    assert cell == "no \\| kernel for it"


def test_figures_without_a_column_are_named_where_they_change():
    found = text(state(parity(a=OLD)), state(parity(a=OLD | {"inputs": 78, "rounded_tensors": 1})))
    assert "inputs 77 → 78, rounded_tensors – → 1" in found


def test_added_and_removed_files_have_tables_of_their_own():
    found = text(state(parity(fp32=OLD, int4w=OLD)), state(parity(fp32=OLD, int8w=NEW)))
    assert "changed" not in found
    added, removed = found.index("#### Files: 1 added"), found.index("#### Files: 1 removed")
    assert added < found.index("vit.visual.int8w") < removed < found.index("vit.visual.int4w")


def test_parameters_and_packages_are_dotted_keys():
    old = changes.flat({"encodings": {"int8w": {"bits": 8, "block": "row"}}, "list": [1]})
    new = changes.flat({"encodings": {"int8w": {"bits": 7}}, "list": [1, "a|b`c"]})
    found = text(state({}, parameters=old, pins={"onnx": "1"}), state({}, None, new, {"onnx": "2"}))
    assert "| `encodings.int8w.bits`" in found and "int8w.block" in found and "#### Pack" in found
    (line,) = [line for line in found.splitlines() if line.startswith("| `list`")]
    assert line.endswith('| `[1, "a\\|b\'c"]` |')


def test_a_runtime_that_refuses_gives_its_reason():
    runs = {"web": {"vit": {"visual": {"fp16": {"cosine": 0.999999, "runtime_cosine": 1.0}}}}}
    refuses = {"web": {"vit": {"visual": {"fp16": {"reason": "no half precision"}}}}}
    found = text(state({}, runs), state({}, refuses))
    assert "vit.visual.fp16 in web" in found and "– → no half precision" in found
    assert "1.0 → –" in found


def test_what_fell_most_comes_first():
    worse = OLD | {"cosine_min": 0.99}
    lost = OLD | {"cosine_min": None}
    old = parity(a=OLD, b=OLD, c=OLD, d=OLD)
    found = text(state(old), state(parity(a=NEW, b=worse, c=lost, d=OLD | {"inputs": 7})))
    assert re.findall(r"`vit.visual.(.)`", found) == ["c", "b", "d", "a"]


def test_a_runtime_that_held_and_does_not_is_among_the_broken():
    def runs(value):
        figures = {"cosine": value, "runtime_cosine": value}
        return state({}, {"openvino": {"vit": {"visual": {"fp32": figures}}}})

    def verdict(old, new):
        return "\n".join(comment.verdict(old, new, settings))

    settings = params.load().model_copy(update={"floors": {}, "default_floors": {}})
    assert verdict(runs(1.0), runs(0.99995)) == ""
    broken = verdict(runs(1.0), runs(0.68))
    assert "Broken floors: 1" in broken and "`vit.visual.fp32 in openvino`" in broken
    assert verdict(runs(0.68), runs(0.67)) == ""  # known, and in the docs' table
    gone = state({}, {"openvino": {"vit": {"visual": {"fp32": {"reason": "no kernel"}}}}})
    assert "not measured" in verdict(runs(1.0), gone)
    assert verdict(runs(1.0), state({}, {"new": {"vit": {"visual": {"fp32": {}}}}})) == ""


def test_a_comment_fits_whatever_changed():
    """GitHub takes 65536 characters."""
    models = [f"model-{number}" for number in range(60)]
    graphs = {graph: {f"int{n}w": OLD for n in range(30)} for graph in ("visual", "textual")}
    other = {graph: {name: NEW for name in variants} for graph, variants in graphs.items()}
    refused = {"visual": {f"int{n}w": {"reason": "no, " * 100} for n in range(30)}}
    old = {model: graphs for model in models[:40]}
    new = {model: other for model in models[20:]}
    settings = {f"key.{n}": n for n in range(4000)}
    before = state(old, {"kept": old, "lost": old}, settings, settings)
    after = state(new, {"kept": {model: refused for model in models}, "new": new}, {}, {})
    found = text(before, after)
    assert 40_000 < len(found) < 65_536 - 2 * changes.MOST_CHARACTERS  # for the broken floors
    assert len(re.findall(r"^… and \d+ more$", found, re.MULTILINE)) == 8
    (left_out,) = re.findall(r"#### Files: 1200 changed.*?… and (\d+) more", found, re.DOTALL)[:1]
    shown = found[: found.index("… and")].count("| `model-")
    assert shown + int(left_out) == 1200 and shown > 20


FLOOR = params.Floor(cosine_min=0.999, snr_db=40.0, accuracy_drop=0.005, pixels_off=0.001)
GOOD = {"cosine_min": 0.999, "snr_db": 40.0, "accuracy": 0.9}
GOOD |= {"pixels_max": 1, "pixels_off": 0.001}


def broken(metrics):
    judged = floors.of_file("m.g.v", metrics, {"accuracy": 0.905}, FLOOR)
    return {one.metric for one in judged if not one.holds}


@pytest.mark.parametrize(
    ("metric", "value"),
    [("cosine_min", 0.9989999), ("snr_db", 39.9), ("accuracy", 0.8999), ("pixels_max", 2)],
)
def test_a_floor_breaks_just_beyond_its_value(metric, value):
    assert broken(GOOD) == set()
    assert broken(GOOD | {metric: value}) == {metric}
    assert broken({name: GOOD[name] for name in GOOD if name != metric}) == {metric}


def test_a_published_answer_that_differs_breaks_its_floor():
    settings = params.load()
    answers = {"vit-b-32": {"known_answers": {"a": {"agrees": True}, "b": {"agrees": False}}}}
    judged = [one for one in floors.judged(answers, {}, settings) if one.metric == "agrees"]
    assert [(one.key, one.holds) for one in judged] == [
        ("vit-b-32.known_answers.a", True),
        ("vit-b-32.known_answers.b", False),
    ]


def test_default_floors_judge_what_was_measured_and_own_ones_what_must_be_there():
    settings = params.load()
    (model, *_) = settings.grid.models
    own = {model: {"visual": {"int8w": FLOOR}}}
    default = {"visual": {"int4w": FLOOR, "int8w": FLOOR}, "textual": {"int4w": FLOOR}}
    settings = settings.model_copy(update={"floors": own, "default_floors": default})
    measured = {model: {"visual": {"int4w": GOOD}}}  # a checkpoint of one tower
    found = [case[:3] for case in floors.cases(measured, settings)]
    assert found == [(model, "visual", "int4w"), (model, "visual", "int8w")]
    missing = [one for one in floors.judged(measured, {}, settings) if one.value is None]
    assert {one.key for one in missing} == {f"{model}.visual.int8w"}


def test_broken_floors_are_a_table_and_what_was_not_measured_says_so():
    settings = params.load()
    few = {"tiny-vit": {"visual": {"onnxjs": settings.floors["tiny-vit"]["visual"]["onnxjs"]}}}
    settings = settings.model_copy(update={"floors": few, "default_floors": {}})
    measured = {"cosine_min": 0.5, "snr_db": 200.0}
    metrics = {"tiny-vit": {"visual": {"onnxjs": measured}}}
    controls = {"tiny-vit": {"visual": {"reference": {"accuracy": 0.9}}}}
    now = state(metrics, controls=controls)
    found = "\n".join(comment.verdict(now, now, settings))
    rows = re.findall(r"^\| `tiny-vit.visual.onnxjs` .*", found, re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")][1:] for row in rows]
    assert ["cosine_min", "0.5", "at least 0.999999"] in cells
    assert ["accuracy", "not measured", "at least 0.895"] in cells
    assert len(cells) == 2


def test_a_table_of_nothing_is_no_section():
    assert comment.section("Files", pd.DataFrame()) == []
