from types import SimpleNamespace

import pytest

from tools import matrix


def figures(cosine, own=1.0):
    return {"inputs": 8, "cosine": cosine, "runtime_cosine": own}


REFUSED = {"reason": "no such operator"}


@pytest.mark.parametrize(
    ("of_models", "shown", "lines"),
    [
        ({}, "", []),
        ({"a": figures(1.0), "b": figures(0.9991)}, "0.9991000", []),
        ({"a": REFUSED, "b": REFUSED}, "no (1)", ["no such operator"]),
        ({"a": figures(1.0), "b": REFUSED}, "no (1)", ["b: no such operator"]),
        (
            {"a": figures(0.999, 0.9998)},
            "0.9990000 (1)",
            ["below 0.99999 against ORT on the same file"],
        ),
        (
            {"a": figures(1.0), "b": figures(0.6, 0.5)},
            "wrong (1)",
            ["b: below 0.99 against ORT on the same file"],
        ),
    ],
)
def test_cell_is_the_worst_model_or_why_not(of_models, shown, lines):
    notes = matrix.Notes()
    assert matrix.cell(of_models, notes) == shown
    assert notes.lines == lines


def test_table_has_the_grids_files_and_each_note_once():
    files = [("visual", "fp32"), ("visual", "npu"), ("textual", "fp32"), ("image", "fp32")]
    of_models = {"a": files, "b": [*files, ("visual", "static")]}
    grid = SimpleNamespace(models=["a", "b"], files=of_models.get)
    both = {"visual": {"fp32": figures(1.0), "old": figures(1.0)}, "image": {"fp32": REFUSED}}
    metrics = {
        "openvino": {"a": both, "b": both | {"visual": {"static": REFUSED}}},
        "litert": {"a": {"visual": {"npu": figures(0.5)}}},
    }
    lines = matrix.table(metrics, grid).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == [
        "visual.fp32",
        "visual.npu",
        "visual.static",
        "image.fp32",
    ]
    assert lines[0].count("|") == len(matrix.COLUMNS) + 2
    assert lines[6:] == ["", "(1) no such operator"]
