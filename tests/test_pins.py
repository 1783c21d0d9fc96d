import json

import pytest

from clip_onnx import command
from stages.pins import packages

import small

LOCK = """# comment
numpy==2.0.0 \\
    --hash=sha256:aa
    # via -r requirements.in
onnx-ir==1.1.0 ; python_full_version >= '3.11' \\
    --hash=sha256:bb
onnx-ir==1.0.0 ; python_full_version < '3.11' \\
    --hash=sha256:cc
"""


def test_versions_reads_the_pins_of_this_python():
    assert packages.versions(LOCK) == {"numpy": "2.0.0", "onnx-ir": "1.1.0"}


def test_direct_reads_names_without_versions_and_comments():
    text = "# x\ndvc==3\nsetuptools<81  # why\n\nonnx-ir\n"
    assert packages.direct(text) == ["dvc", "setuptools", "onnx-ir"]


def test_groups_are_those_under_a_heading_of_one_word():
    text = (
        "# About x\n# and y\n\n# graphs: why\nonnx  # x\nonnx-ir\n\n# Others\nruff\n\n# text\nftfy"
    )
    assert packages.groups(text) == {"graphs": ["onnx", "onnx-ir"], "text": ["ftfy"]}


def test_shipped_pins_are_the_locks(workspace):
    small.run_stage("pins", "requirements.in", "requirements.lock", "data/pins.json")
    assert json.loads((workspace / "data/pins.json").read_text("utf-8")) == json.loads(
        (small.ROOT / "data/pins.json").read_text("utf-8")
    )


def test_refuses_an_installed_version_that_is_not_the_locks(workspace):
    (workspace / "requirements.in").write_text("numpy\n", "utf-8")
    (workspace / "requirements.lock").write_text(LOCK, "utf-8")
    with pytest.raises(command.Refusal, match=r"pins numpy 2\.0\.0, installed is .*: run `make`"):
        small.run_stage("pins", "requirements.in", "requirements.lock", "data/pins.json")
    assert not (workspace / "data/pins.json").exists()


@pytest.mark.parametrize("locked", ["2.0.0", "2.0.0+cpu"])
def test_local_versions_are_the_same_version(workspace, monkeypatch, locked):
    (workspace / "requirements.in").write_text("# arrays\nnumpy\n", "utf-8")
    (workspace / "requirements.lock").write_text(LOCK.replace("2.0.0", locked), "utf-8")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.0.0+cpu")
    small.run_stage("pins", "requirements.in", "requirements.lock", "data/pins.json")
    assert json.loads((workspace / "data/pins.json").read_text("utf-8")) == {
        "arrays": {"numpy": locked}
    }


@pytest.mark.parametrize(
    ("requirements", "message"),
    [("nothing-of-the-kind\n", "lacks nothing-of-the-kind: run `make lock`")],
)
def test_names_a_package_that_is_not_locked(workspace, requirements, message):
    (workspace / "requirements.in").write_text(requirements, "utf-8")
    with pytest.raises(command.Refusal, match=message):
        small.run_stage("pins", "requirements.in", "requirements.lock", "data/pins.json")
