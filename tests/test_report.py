import json

import pandas as pd
import pytest

import small


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
        path = workspace / f"data/eval/{model}.preprocess.fp32.json"
        path.write_text(json.dumps(evaluation(1.0)))
        for graph in ("visual", "textual"):
            for variant in (*small.ALL, *small.STATIC):
                rounded = (
                    "token_embedding.weight" if (graph, variant) == ("textual", "fp16w") else ""
                )
                own = {"accuracy": 0.9} if graph == "visual" else None
                content = evaluation(1.0 if variant == "fp32" else 0.999, rounded, own)
                path = workspace / f"data/eval/{model}.{graph}.{variant}.json"
                path.write_text(json.dumps(content))
    answers = {"astronaut": {"agrees": True, "cosine": 0.99999}}
    (workspace / "data/eval/vit.known-answers.json").write_text(json.dumps(answers))
    (workspace / "data/eval/rn.known-answers.json").write_text("{}")
    (workspace / "data/eval/old.visual.fp32.json").write_text("{}")
    names = ("parity.json", "parity.csv", "table.md", "widths.csv", "widths.svg", "cosines.csv")
    small.run_stage("report", "data/eval", *(f"metrics/{name}" for name in names))
    return workspace / "metrics"


def test_parity_json_is_nested_and_sorted_and_of_the_grid(reported):
    text = (reported / "parity.json").read_text()
    parity = json.loads(text)
    assert list(parity) == ["rn", "vit"]
    assert parity["vit"]["visual"]["int8w"]["cosine_min"] == 0.999
    assert parity["vit"]["known_answers"]["astronaut"]["cosine"] == 0.99999
    assert "known_answers" not in parity["rn"]
    assert parity["vit"]["visual"]["reference"] == {"accuracy": 0.9}
    assert parity["rn"]["textual"]["control"]["snr_db"] == -3.0
    assert text == json.dumps(parity, indent=1, sort_keys=True) + "\n"


def test_csv_has_a_row_a_file_and_an_error_that_a_log_axis_takes(reported):
    table = pd.read_csv(reported / "parity.csv")
    assert len(table) == 2 * 2 * len(small.ALL) + len(small.STATIC) + 2  # preprocess
    assert (table["cosine_error"] > 0).all()
    assert table.set_index("file").loc["vit.visual.int8w", "cosine_error"] == pytest.approx(1e-3)


def test_table_names_the_tensors_that_were_rounded(reported):
    text = (reported / "table.md").read_text()
    assert "| vit.visual.int8w" in text
    assert "`rn.textual.fp16w` (token_embedding.weight)" in text
    assert "nan" not in text


def test_cosines_have_a_row_a_file(reported):
    table = pd.read_csv(reported / "cosines.csv").set_index("file")
    assert list(table.index) == list(pd.read_csv(reported / "parity.csv")["file"])
    row = table.loc["vit.visual.int8w"]
    assert (row["model"], row["graph"], row["variant"]) == ("vit", "visual", "int8w")
    assert row["median"] == pytest.approx(3.0)
    assert row["least"] < 0 < 7 < row["most"]
