"""The pipeline itself, by `dvc repro` on a two-layer model in a folder of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

import small

pytestmark = pytest.mark.slow

BIN = os.path.dirname(sys.executable)


def dvc(folder, *arguments):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        ["dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A DVC project without git in which `dvc repro` has run for the small ViT."""
    folder = tmp_path_factory.mktemp("project")
    content = small.params({"vit": archives["vit"]})
    content["grid"]["encodings"] = {
        "plain": ["fp32", "int8w"],
        "by_sensitivity": ["mixed"],
        "resnets": [],
    }
    content["grid"] |= {"products": ["classifier"], "composed": ["int8w"]}
    content["bundle"] = {"encodings": ["int8w"], "profiles": [], "products": ["classifier"]}
    small.set_up(folder, content)
    assert dvc(folder, "init", "--no-scm").returncode == 0
    shutil.copyfile(small.ROOT / ".dvc/config", folder / ".dvc/config")
    dvc(folder, "config", "core.no_scm", "true")
    result = dvc(folder, "repro")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def metrics(folder):
    return json.loads((folder / "metrics/parity.json").read_text("utf-8"))


def test_repro_measures_every_file_of_the_grid(project):
    parity = metrics(project)["vit"]
    assert parity["visual"]["fp32"]["cosine_min"] > 0.99999
    assert parity["textual"]["int8w"]["cosine_min"] > 0.99
    assert {"int8w", "mixed", "fp32", "pytorch"} == set(parity["visual"])
    controls = json.loads((project / "metrics/controls.json").read_text("utf-8"))
    assert controls["vit"]["visual"].keys() == {"control", "reference"}
    assert parity["classifier"]["int8w"]["cosine_min"] > 0.99
    assert parity["preprocess"]["fp32"]["pixels_off"] == 0
    bundled = {path.name for path in (project / "data/bundles/vit/onnx").iterdir()}
    names = ("text_model", "vision_model", "classifier")
    assert bundled == {f"{name}_quantized.onnx" for name in names}


def test_second_repro_runs_nothing(project):
    assert "Data and pipelines are up to date" in dvc(project, "repro").stdout


def ran(output):
    """The stages that ran, but for `pins`: it checks each new params.yaml."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage")]
    return {line.split("'")[1] for line in lines} - {"pins"}


def test_one_changed_line_reruns_only_what_reads_it(project):
    path = project / "params.yaml"
    old = path.read_text("utf-8")
    before = metrics(project)
    path.write_text(old.replace("block: row", "block: 16"), "utf-8")
    assert path.read_text("utf-8") != old
    result = dvc(project, "repro")
    assert result.returncode == 0, result.stderr
    assert ran(result.stdout) == {
        "encode@vit-int8w",
        "evaluate@vit-int8w",
        "compose@vit-classifier-int8w",
        "evaluate-products@vit-classifier-int8w",
        "bundle@vit",
        "report",
    }
    after = metrics(project)["vit"]["visual"]
    assert after["int8w"] != before["vit"]["visual"]["int8w"]
    assert after["fp32"] == before["vit"]["visual"]["fp32"]
    path.write_text(old, "utf-8")
    result = dvc(project, "repro")
    assert metrics(project) == before
    assert ran(result.stdout) <= {"report"}  # the rest comes back from the run cache


def test_another_target_repeats_the_choice_and_not_the_measurement(project):
    path = project / "params.yaml"
    old, before = path.read_text("utf-8"), metrics(project)["vit"]["visual"]["mixed"]
    path.write_text(old.replace("target_cosine: 0.999", "target_cosine: 0.99"), "utf-8")
    assert path.read_text("utf-8") != old
    result = dvc(project, "repro")
    assert result.returncode == 0, result.stderr
    chosen = {"encode-by-sensitivity@vit-mixed", "evaluate-by-sensitivity@vit-mixed"}
    assert ran(result.stdout) == chosen | {"bundle@vit", "report"}
    assert metrics(project)["vit"]["visual"]["mixed"]["size_mb"] < before["size_mb"]
    path.write_text(old, "utf-8")
    dvc(project, "repro")


def test_another_label_composes_anew_and_builds_nothing_else(project):
    path = project / "params.yaml"
    old = path.read_text("utf-8")
    path.write_text(old.replace("labels: drawings.txt", "labels: [a cat, a dog]"), "utf-8")
    assert path.read_text("utf-8") != old
    result = dvc(project, "repro")
    assert result.returncode == 0, result.stderr
    composed = {"compose@vit-classifier-int8w", "evaluate-products@vit-classifier-int8w"}
    assert ran(result.stdout) == composed | {"bundle@vit", "report"}
    path.write_text(old, "utf-8")
    dvc(project, "repro")


def test_killed_stage_leaves_nothing_and_its_rerun_gives_the_same_bytes(project):
    target = project / "data/export/vit"
    before = small.sha256(target / "textual/model.onnx")
    shutil.rmtree(target)
    arguments = ["data/checkpoints/vit", "data/export/vit"]
    command = [sys.executable, "-m", "stages.export", *arguments]
    process = subprocess.Popen(command, cwd=project)
    deadline = time.monotonic() + 60
    while not list(target.parent.glob("vit.partial*")) and time.monotonic() < deadline:
        assert process.poll() is None, "the stage ended before it could be killed"
        time.sleep(0.001)
    assert list(target.parent.glob("vit.partial*")), "the stage wrote nothing in a minute"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not target.exists()
    subprocess.run(command, cwd=project, check=True)
    assert small.sha256(target / "textual/model.onnx") == before
    assert not list(target.parent.glob("*.partial"))


def digests(folder):
    return {p: small.sha256(p) for p in (folder / "data").rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("- vit\n", "- vit2\n"), "vit2"),
        (("bits: 8", "bits: 9"), "encodings.int8w.weight_only.bits"),
    ],
)
def test_bad_params_lose_nothing(project, change, message):
    """`make` checks params.yaml first; DVC alone removes outputs first, and its cache has them."""
    path = project / "params.yaml"
    old = path.read_text("utf-8")
    files = digests(project)
    path.write_text(old.replace(*change), "utf-8")
    assert path.read_text("utf-8") != old
    try:
        check = [sys.executable, "-m", "clip_onnx.settings"]
        result = subprocess.run(check, cwd=project, capture_output=True, text=True)
        assert result.returncode == 1
        assert result.stderr.startswith("error: params.yaml: ")
        assert result.stderr.count("\n") == 1
        assert message in result.stderr
        assert digests(project) == files
        assert dvc(project, "repro").returncode != 0
    finally:
        path.write_text(old, "utf-8")
    assert not list((project / "data").rglob("*.partial"))
    assert ran(dvc(project, "repro").stdout) <= {"report"}
    assert digests(project) == files
