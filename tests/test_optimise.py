"""`clip-onnx optimise`: a bundle that is tied to this machine, and says so elsewhere."""

import json
import shutil
import sys

import numpy as np
import pytest

from clip_onnx import Clip, cli, command, optimise, verify
from clip_onnx.host import machine

ENCODING = "int4w"
PICTURE = np.random.default_rng(0).integers(0, 256, (70, 91, 3), np.uint8)


@pytest.fixture(scope="module")
def bundle(bundled):
    return bundled / "data/bundles/vit"


@pytest.fixture(scope="module")
def made(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimised") / "vit"
    optimise.optimise(bundle, folder, ENCODING)
    return folder


def test_it_computes_what_the_bundle_does(bundle, made):
    one, other = Clip(bundle, ENCODING), Clip(made, ENCODING)
    for embed in ("encode_image", "encode_text"):
        given = PICTURE if embed == "encode_image" else ["a red circle", "a blue star"]
        ours, theirs = (getattr(clip, embed)(given) for clip in (one, other))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_weights_lie_decoded_and_packed_beside_the_graph(bundle, made):
    names = {f"onnx/{kind}_model_{ENCODING}.onnx" for kind in ("vision", "text")}
    assert {*json.loads((made / "golden.json").read_text("utf-8"))["files"]} == names
    for name in names:
        data = made / f"{name}_data"
        assert (made / name).stat().st_size < data.stat().st_size > (bundle / name).stat().st_size


def test_verify_takes_it(made, capsys):
    verify.report(made)
    assert capsys.readouterr().out.count(" ok") == 2


@pytest.mark.parametrize("key", ["onnxruntime", "system", "instructions"])
def test_elsewhere_it_is_refused_in_one_line(made, tmp_path, key):
    folder = tmp_path / "moved"
    shutil.copytree(made, folder)
    found = json.loads((folder / machine.FILE).read_text("utf-8"))
    (folder / machine.FILE).write_text(json.dumps(found | {key: ["another"]}), "utf-8")
    message = rf"optimised for another machine \(other {key}\): run `clip-onnx optimise` here"
    with pytest.raises(command.Refusal, match=message):
        Clip(folder, ENCODING)
    with pytest.raises(command.Refusal, match=message):
        verify.report(folder)


def test_a_torn_machine_json_is_named(made, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(made, folder)
    (folder / machine.FILE).write_text("{", "utf-8")
    with pytest.raises(command.Refusal, match=r"machine\.json cannot be read, make the folder"):
        Clip(folder, ENCODING)


def test_the_command_writes_it(bundle, tmp_path, monkeypatch):
    line = ["clip-onnx", "optimise", str(bundle), str(tmp_path / "new"), "--encoding", ENCODING]
    monkeypatch.setattr(sys, "argv", line)
    cli.main()
    assert Clip(tmp_path / "new", ENCODING).encode_text("a red circle").shape[0] == 1


def test_a_file_that_the_runtime_wrote_wrongly_is_refused(bundle, tmp_path, monkeypatch):
    def cut(file, optimised, least):
        write(file, optimised, least)
        data = optimised.with_name(f"{optimised.name}_data")
        data.write_bytes(data.read_bytes()[:-4096] + b"\xff" * 4096)

    write = optimise.write
    monkeypatch.setattr(optimise, "write", cut)
    with pytest.raises(command.Refusal, match="what ONNX Runtime optimised does not run here: "):
        optimise.optimise(bundle, tmp_path / "new", ENCODING)
    assert not (tmp_path / "new").exists()


def test_what_is_there_stays(bundle):
    before = sorted(bundle.rglob("*"))
    with pytest.raises(command.Refusal, match="is there already: name a new folder"):
        optimise.optimise(bundle, bundle, ENCODING)
    assert sorted(bundle.rglob("*")) == before


def test_an_encoding_that_is_not_there_is_refused_and_nothing_is_written(bundle, tmp_path):
    with pytest.raises(command.Refusal, match="has no 'int3w'"):
        optimise.optimise(bundle, tmp_path / "new", "int3w")
    assert not (tmp_path / "new").exists()
