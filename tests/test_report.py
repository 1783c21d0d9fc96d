import json
from pathlib import Path

import pandas as pd
import pytest

from stages.report import figures

import small

NAMES = ("parity.json", "controls.json", "parity.csv", "table.md")
NAMES += ("widths.csv", "cosines.csv")


def evaluation(cosine, rounded="", own=None):
    metrics = {
        "inputs": 77,
        "cosine_min": cosine,
        "cosine_mean": 1.0,
        "snr_db": 40.0,
        "top1_agreement": 1.0,
        "size_mb": 1.5,
    }
    control = {"cosine_min": -0.5, "cosine_mean": 0.0, "snr_db": -3.0}
    return {
        "metrics": metrics,
        "reference": own or {},
        "control": control,
        "cosines": [cosine, 1.0, None],
        "rounded": rounded,
        "widths": {"proj": 8, "conv1.weight": 4},
    }


@pytest.fixture
def reported(workspace):
    """metrics/ of two models and their variants, beside a leftover of another grid."""
    (workspace / "data/eval").mkdir(parents=True)
    for model in ("vit", "rn"):
        for graph in ("visual", "textual"):
            path = workspace / f"data/eval/{model}.{graph}.pytorch.json"
            content = evaluation(1.0, own={"accuracy": 0.9} if graph == "visual" else None)
            del content["metrics"]["size_mb"]
            content["metrics"]["snr_db"] = 100.0
            path.write_text(json.dumps(content), "utf-8")
        path = workspace / f"data/eval/{model}.preprocess.fp32.json"
        path.write_text(json.dumps(evaluation(1.0)), "utf-8")
        for graph in ("visual", "textual"):
            for variant in (*small.ALL, *small.RESNETS):
                rounded = (
                    "token_embedding.weight" if (graph, variant) == ("textual", "fp16w") else ""
                )
                own = {"accuracy": 0.9} if graph == "visual" else None
                content = evaluation(1.0 if variant == "fp32" else 0.999, rounded, own)
                path = workspace / f"data/eval/{model}.{graph}.{variant}.json"
                path.write_text(json.dumps(content), "utf-8")
    answers = {"astronaut": {"agrees": True, "cosine": 0.99999}}
    (workspace / "data/eval/vit.known-answers.json").write_text(json.dumps(answers), "utf-8")
    (workspace / "data/eval/rn.known-answers.json").write_text("{}", "utf-8")
    (workspace / "data/eval/old.visual.fp32.json").write_text("{}", "utf-8")
    report()
    return workspace / "metrics"


def report():
    small.run_stage("report", "data/eval", *(f"metrics/{name}" for name in NAMES))


def measure(key, **figures):
    """Another measurement of a file in the current folder."""
    path = Path(f"data/eval/{key}.json")
    content = json.loads(path.read_text("utf-8"))
    content["metrics"] |= figures
    content["cosines"][0] = content["metrics"]["cosine_min"]
    path.write_text(json.dumps(content), "utf-8")


def contents(folder):
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_parity_json_is_nested_and_sorted_and_of_the_grid(reported):
    text = (reported / "parity.json").read_text("utf-8")
    parity = json.loads(text)
    assert list(parity) == ["rn", "vit"]
    assert parity["vit"]["visual"]["int8w"]["cosine_min"] == 0.999
    assert parity["vit"]["known_answers"]["astronaut"]["cosine"] == 0.99999
    assert "known_answers" not in parity["rn"]
    assert set(parity["vit"]["visual"]) == {*small.ALL, "pytorch"}
    assert text == json.dumps(parity, indent=1, sort_keys=True) + "\n"


def test_controls_are_no_figures_of_files(reported):
    controls = json.loads((reported / "controls.json").read_text("utf-8"))
    assert controls["vit"]["visual"]["reference"] == {"accuracy": 0.9}
    assert controls["rn"]["textual"].keys() == {"control"}
    assert controls["rn"]["textual"]["control"]["snr_db"] == -3.0


def test_csv_has_a_row_a_file_and_an_error_that_a_log_axis_takes(reported):
    table = pd.read_csv(reported / "parity.csv")
    measured = 2 * 2 * (len(small.ALL) + 1)  # pytorch
    assert len(table) == measured + len(small.RESNETS) + 2  # preprocess
    assert table.set_index("variant").loc["pytorch", "size_mb"].isna().all()
    assert (table["cosine_error"] > 0).all()
    assert table.set_index("file").loc["vit.visual.int8w", "cosine_error"] == pytest.approx(1e-3)


def test_table_names_the_tensors_that_were_rounded(reported):
    text = (reported / "table.md").read_text("utf-8")
    assert "| vit.visual.int8w" in text
    assert "`rn.textual.fp16w` (token_embedding.weight)" in text
    assert "nan" not in text
    (row,) = [line for line in text.splitlines() if "vit.visual.pytorch" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:5] == ["", "1.0000000", "1.0000000", "> 100"]


def test_the_table_names_the_files_that_miss_their_target():
    rows = [{"file": "a", "size_mb": 1, "target_met": False}, {"file": "b", "size_mb": 2}]
    text = figures.markdown(pd.DataFrame([*rows, {"file": "c", "target_met": True}]), {})
    assert text.rstrip().endswith("\n\nLess close than their `target_cosine` asks for: `a`")
    assert "target_cosine" not in figures.markdown(pd.DataFrame(rows[1:]), {})


def test_cosines_have_a_row_a_file(reported):
    table = pd.read_csv(reported / "cosines.csv").set_index("file")
    assert list(table.index) == list(pd.read_csv(reported / "parity.csv")["file"])
    row = table.loc["vit.visual.int8w"]
    assert (row["model"], row["graph"], row["variant"]) == ("vit", "visual", "int8w")
    assert row["median"] == pytest.approx(3.0)
    assert row["least"] < 0 < 7 < row["most"]


def test_a_rerun_on_another_cpu_changes_no_byte(reported, capsys):
    before = contents(reported)
    measure("vit.visual.int8w", cosine_min=0.99901, snr_db=40.2, cosine_mean=0.9999999)
    measure("vit.textual.fp16", cosine_min=0.99899)
    report()
    assert contents(reported) == before
    count = sum(map(len, flat(json.loads(before["parity.json"]))))
    assert f"kept {count} of {count} figures: they moved less than noise" in capsys.readouterr().out


def flat(parity):
    """The innermost dictionaries."""
    for child in parity.values():
        yield from [child] if "cosine_min" in child or "agrees" in child else flat(child)


def test_a_real_change_is_taken_in_every_file_and_the_rest_is_kept(reported, capsys):
    before = contents(reported)
    measure("vit.visual.int8w", cosine_min=0.9985)
    measure("vit.visual.int4w", cosine_min=0.99901)
    report()
    after = contents(reported)
    changed = {name for name in NAMES if after[name] != before[name]}
    assert changed == {"parity.json", "parity.csv", "table.md", "cosines.csv"}
    for name in changed:
        old, new = before[name].splitlines(), after[name].splitlines()
        lines = [two for two in zip(old, new, strict=True) if two[0] != two[1]]
        assert len(lines) == 1 and ("int8w" in lines[0][1] or "0.9985" in lines[0][1])
    kept, count = capsys.readouterr().out.split("kept ")[-1].split(" figures")[0].split(" of ")
    assert int(kept) == int(count) - 1


def test_a_changed_file_of_another_size_shows_all_that_was_measured(reported):
    measure("vit.visual.int8w", size_mb=1.6, cosine_min=0.99901)
    report()
    found = json.loads((reported / "parity.json").read_text("utf-8"))["vit"]["visual"]["int8w"]
    assert (found["size_mb"], found["cosine_min"]) == (1.6, 0.99901)
    row = pd.read_csv(reported / "cosines.csv").set_index("file").loc["vit.visual.int8w"]
    assert row["q05"] != 3.0 != row["median"]


def test_metrics_that_a_merge_tore_are_not_compared_with(reported, capsys):
    before = contents(reported)
    for name in ("parity.json", "cosines.csv"):
        (reported / name).write_text("<<<<<<< HEAD\n" + '"a,b\n' * 3, "utf-8")
    report()
    assert contents(reported) == before
    assert capsys.readouterr().out.count("is not compared with") == 2
