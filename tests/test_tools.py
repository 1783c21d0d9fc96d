import shutil
import subprocess
import sys

import pytest

from clip_onnx import command
from clip_onnx.openai import models
from clip_onnx.settings import params
from tools import build_one, docs, prune, train_tiny

import clones
import small


def test_leftovers_are_what_no_output_holds(tmp_path):
    for path in ("models/new/fp32/model.onnx", "models/old/fp32/model.onnx", "eval/a.json", "x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("", "utf-8")
    outputs = {tmp_path / "models/new/fp32", tmp_path / "eval/b.json"}
    found = {str(path.relative_to(tmp_path)) for path in prune.leftovers(tmp_path, outputs)}
    assert found == {"models/old", "eval/a.json"}


def test_a_lock_forgets_what_is_no_stage(tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages:\n  a@m:\n    cmd: x\n  gone:\n    cmd: y\n", "utf-8")
    assert prune.forget(lock, ["a@m", "not run yet"]) == ["gone"]
    assert lock.read_text("utf-8") == "schema: '2.0'\nstages:\n  a@m:\n    cmd: x\n"
    assert prune.forget(lock, ["a@m"]) == prune.forget(tmp_path / "none.lock", []) == []


def test_a_lock_that_a_merge_tore_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], check=True)
    (tmp_path / "dvc.yaml").write_text("stages:\n  a:\n    cmd: x\n", "utf-8")
    (tmp_path / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n", "utf-8")
    with pytest.raises(command.Refusal, match=r"dvc\.lock"):
        prune.main()


def test_fill_replaces_what_stands_between_the_markers():
    text = "a\n<!-- results -->\nold\n<!-- end of results -->\nb\n"
    filled = docs.fill(text, {"results": "new"})
    assert filled == "a\n<!-- results -->\nnew\n<!-- end of results -->\nb\n"
    assert docs.fill(filled, {"results": "new"}) == filled
    with pytest.raises(command.Refusal, match="<!-- results -->: no such section"):
        docs.fill(text, {"stages": ""})


@pytest.mark.parametrize(
    ("variant", "encodings"),
    [
        ("fp32", {"plain": ["fp32"]}),
        ("fp16", {"plain": ["fp16"]}),
        ("fp16w", {"plain": ["fp16w"]}),
        ("int8w", {"by_sensitivity": ["int8w"]}),
        ("mixed", {"by_sensitivity": ["mixed"]}),
        ("int8-static", {"resnets": ["int8-static"]}),
        ("npu", {}),
    ],
)
def test_grid_of_one_builds_the_variant_alone(tmp_path, variant, encodings):
    content = build_one.grid_of_one(params.load(), "tiny-rn", variant)
    assert content["grid"]["models"] == ["tiny-rn"]
    assert content["grid"]["resnets"] == (["tiny-rn"] if variant == "int8-static" else [])
    nothing = {"plain": [], "by_sensitivity": [], "resnets": []}
    assert content["grid"]["encodings"] == nothing | encodings
    assert content["grid"]["profiles"] == (["npu"] if variant == "npu" else [])
    path = tmp_path / "params.yaml"
    small.write_params(tmp_path, content)
    params.load(path)


def test_grid_of_one_composes_what_is_asked_for(tmp_path):
    content = build_one.grid_of_one(params.load(), "tiny-rn", "int8w", ["classifier"])
    assert content["grid"]["composed"] == ["int8w"]
    assert content["grid"]["products"] == ["classifier"]
    small.write_params(tmp_path, content)
    grid = params.load(tmp_path / "params.yaml").grid
    assert ("classifier", "int8w") in grid.files("tiny-rn")


@pytest.mark.parametrize(("variant", "needed"), [("fp32", False), ("mixed", True)])
def test_build_one_runs_sensitivity_only_for_what_reads_it(tmp_path, archives, variant, needed):
    content = small.params({"vit": archives["vit"]})
    grid = build_one.grid_of_one(params.load(), "tiny-vit", variant)["grid"]
    content["grid"] = grid | {"models": ["vit"], "resnets": []}
    small.set_up(tmp_path / "project", content)
    (tmp_path / "project/data").mkdir()
    shutil.copyfile("data/pins.json", tmp_path / "project/data/pins.json")
    clones.done(tmp_path / "project", "dvc", "init", "--no-scm", "--quiet")
    planned = clones.done(
        tmp_path / "project", "dvc", "repro", "--dry", "--force", *build_one.WANTED
    )
    assert ("sensitivity@vit" in clones.ran(planned)) == needed
    assert {"bundle@vit", "report"} <= clones.ran(planned)


@pytest.mark.parametrize(("model", "variant"), [("rn51", "fp32"), ("tiny-rn", "int9w")])
def test_build_one_names_what_is_unknown(model, variant):
    arguments = [sys.executable, "-m", "tools.build_one", model, variant]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: params.yaml has no ")
    assert result.stderr.count("\n") == 1


def test_training_repeats_itself():
    """A few steps, twice: the same losses lead to the same weights."""
    import torch

    def weights():
        torch.manual_seed(0)
        model = models.new_model(train_tiny.ARCHITECTURES["rn"])
        train_tiny.train(model, 2, 1e-3, seed=0)
        return model.state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)
