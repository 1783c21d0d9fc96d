"""DVC's plots of the metrics, with the templates of .dvc/plots."""

import json
import shutil
import subprocess
import sys

import pytest
import vl_convert

import small

TEMPLATES = {  # plot, and the columns besides x and y that its template reads
    "size against cosine error": {"model", "graph", "file"},
    "distribution of cosine": {"model", "graph", "least", "q25", "q75", "most"},
    "widths of tensors": {"file", "tensor"},
}


def run(folder, *line):
    done = subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """{plot: its revisions' specifications}; the workspace lacks a row that HEAD has."""
    folder = tmp_path_factory.mktemp("plots")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(small.ROOT / name, folder / name)
    shutil.copytree(small.ROOT / "metrics", folder / "metrics")
    run(folder, "git", "init", "--quiet")
    run(folder, sys.executable, "-m", "dvc", "init", "--quiet")
    shutil.copytree(small.ROOT / ".dvc/plots", folder / ".dvc/plots")
    run(folder, "git", "add", "--all")
    author = ("-c", "user.name=Someone", "-c", "user.email=someone@localhost")
    run(folder, "git", *author, "commit", "--quiet", "--message", "before")
    for name in ("parity.csv", "cosines.csv", "widths.csv"):
        path = folder / "metrics" / name
        header, _, *rows = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join([header, *rows]), "utf-8")
    printed = run(folder, sys.executable, "-m", "dvc", "plots", "diff", "HEAD", "--json")
    return json.loads(printed)["data"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_difference_shows_both_revisions(plots, name):
    (plot,) = plots[name]
    values = plot["content"]["data"]["values"]
    rows = {rev: [v for v in values if v["rev"] == rev] for rev in ("HEAD", "workspace")}
    assert len(rows["HEAD"]) == len(rows["workspace"]) + 1 > 1
    assert TEMPLATES[name] <= values[0].keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_filled_and_compile(plots, name):
    (plot,) = plots[name]
    text = json.dumps(plot["content"])
    assert "<DVC_METRIC" not in text
    assert vl_convert.vegalite_to_vega(text, vl_version="5.8")["marks"]
