"""The same bytes on any CPU: how that is compared, and that it holds for models of two layers."""

import os
import subprocess
import sys

import numpy as np
import onnx_ir as ir
import pytest

from clip_onnx import command
from tools import fresh, old_cpu, portable, tensors

import clones
import small

ONE, OTHER = "1" * 64, "2" * 64
LIST = {"data/models/a/model.onnx": ONE, "data/bundles/a/golden.json": ONE}
PROGRAM = (sys.executable, "-m", "tools.portable")
BUILD = """
import small

small.run_stage("evalset", *small.EVALSET, "data/evalset")
for model in small.KINDS:
    small.build(model)
"""


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, []),
        ({"data/models/a/model.onnx": OTHER}, ["data/models/a/model.onnx"]),
        ({"data/models/b/model.onnx": ONE}, ["data/models/b/model.onnx"]),
    ],
)
def test_what_differs_or_is_missing_is_named(change, names):
    for sides in ({"a": LIST, "b": LIST | change}, {"a": LIST | change, "b": LIST}):
        assert portable.differing(sides) == names
        assert list(portable.table(sides).get("file", [])) == [f"`{name}`" for name in names]


def test_a_third_side_may_be_the_one_that_differs():
    sides = {"a": LIST, "b": LIST, "c": LIST | {"data/models/a/model.onnx": OTHER}}
    (row,) = portable.table(sides).to_dict("records")
    assert row == {"file": "`data/models/a/model.onnx`"} | dict(a=ONE[:8], b=ONE[:8], c=OTHER[:8])


def test_a_side_without_files_is_refused():
    with pytest.raises(command.Refusal, match="b: no files"):
        portable.differing({"a": LIST, "b": {}})
    with pytest.raises(command.Refusal, match="a: no files"):
        portable.differing({"a": {}, "b": {}})


def test_a_list_is_sha256sums(tmp_path):
    data = tmp_path / "data/models/a/model.onnx"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"x")
    (tmp_path / "data/eval").mkdir()
    (tmp_path / "data/eval/a.json").write_text("{}", "utf-8")
    digests = fresh.digests(tmp_path)
    portable.write_list(tmp_path / "list", digests)
    assert portable.read_list(tmp_path / "list") == digests
    assert list(digests) == ["data/models/a/model.onnx"]
    line = f"{small.sha256(data)}  data/models/a/model.onnx\n"
    assert (tmp_path / "list").read_text("utf-8") == line
    (tmp_path / "list").write_text(f"{line}{ONE} x\n", "utf-8")
    with pytest.raises(command.Refusal, match="list:2: no line"):
        portable.read_list(tmp_path / "list")
    with pytest.raises(command.Refusal, match="gone is not there"):
        portable.read_list(tmp_path / "gone")


def test_digests_that_look_like_numbers_are_shown_as_they_are():
    sides = {"a": {"x": "0012e345" * 8}, "b": {"x": "00000000" * 8}}
    text = portable.described(sides, portable.table(sides))
    assert "0012e345" in text and "00000000" in text


def compared(folder, *contents):
    """`--against` lists of some contents: the program, done, and its report."""
    given = []
    for number, content in enumerate(contents):
        portable.write_list(folder / f"{number}.sha256", content)
        given.append(f"--against={folder / str(number)}.sha256")
    line = [*PROGRAM, folder / "report.md", *given]
    done = subprocess.run(line, capture_output=True, text=True)
    report = folder / "report.md"
    return done, report.read_text("utf-8") if report.exists() else None


def test_lists_that_differ_fail_with_the_names_in_the_report(tmp_path):
    done, report = compared(tmp_path, LIST, LIST)
    assert (done.returncode, "2 files, of which 0 differ" in report) == (0, True)
    done, report = compared(tmp_path, LIST, LIST | {"data/models/a/model.onnx": OTHER})
    assert (done.returncode, "2 files, of which 1 differ" in report) == (1, True)
    assert "`data/models/a/model.onnx` | 11111111 | 22222222" in " ".join(report.split())
    assert "golden.json" not in report
    done, report = compared(tmp_path, LIST, {})
    assert (done.returncode, report) == (1, None)
    assert done.stderr.startswith("error: ") and "no files" in done.stderr


def test_figures_that_moved_are_shown_though_git_does_not_know_their_file(tmp_path):
    for name, content in (("old", '{"x": 1.0}'), ("new", '{"x": 1.5}'), ("same", '{"x": 1.0}')):
        folder = tmp_path / name
        folder.mkdir()
        clones.done(folder, "git", "init", "--quiet")
        clones.done(folder, "dvc", "init", "--quiet")
        (folder / "dvc.yaml").write_text("metrics: [m.json]\n", "utf-8")
        clones.commit(folder)
        (folder / "m.json").write_text(content, "utf-8")
    text = portable.moved(tmp_path / "old", tmp_path / "new")
    (row,) = text.splitlines()[2:]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["x", "1.0", "1.5", "0.5"]
    assert portable.moved(tmp_path / "old", tmp_path / "same") == "No figure differs."


def model(path, **weights):
    path.parent.mkdir(exist_ok=True)
    given = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([1]))
    initializers = []
    for name, array in weights.items():
        value = ir.Value(name=name)
        value.const_value = ir.tensor(array, name=name)
        initializers.append(value)
    graph = ir.Graph([given], [given], nodes=[], initializers=initializers, opset_imports={"": 18})
    ir.save(ir.Model(graph, ir_version=10), path)
    return path


def test_weights_that_differ_are_named_and_counted(tmp_path):
    same, zero = np.ones((2, 3), np.float32), np.zeros(4, np.float32)
    one = model(tmp_path / "a/model.onnx", same=same, sign=zero, shape=same, gone=zero)
    other = model(tmp_path / "b/model.onnx", same=same, sign=-zero, shape=same.T)
    assert tensors.apart(one, other) == {"sign": 4, "shape": 6, "gone": 4}
    assert tensors.told(one, other) == "`sign` 4, `shape` 6, `gone` 4"
    assert tensors.told(one, one).startswith("no weight")
    assert tensors.told(one, tmp_path / "c/model.onnx") == ""


def said(variables, program):
    line = [sys.executable, "-W", "error", "-c", program]
    return subprocess.check_output(line, env=os.environ | variables, text=True)


def test_an_old_cpu_is_one_to_numpy_and_torch():
    """NumPy warns of a feature that it cannot do without; here warnings are errors."""
    found = 'import numpy; print(numpy.show_config(mode="dicts")["SIMD Extensions"].get("found"))'
    assert said(old_cpu.settings(), found) == "None\n"
    kind = "import torch; print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())"
    assert said(old_cpu.settings(), kind) == "DEFAULT 1\n"


@pytest.mark.slow
def test_models_are_the_same_bytes_as_on_an_old_cpu(built, archives, tmp_path):
    small.set_up(tmp_path, small.params(archives))
    variables = old_cpu.settings() | {"PYTHONPATH": str(small.ROOT / "tests")}
    line = [sys.executable, "-c", BUILD]
    subprocess.run(line, cwd=tmp_path, env=os.environ | variables, check=True)
    sides = {"here": fresh.digests(built), "old": fresh.digests(tmp_path)}
    assert {path.split("/")[4] for path in sides["old"]} == {*small.ALL, *small.RESNETS}
    found = portable.table(sides, (built, tmp_path))
    assert found.empty, found.to_string()


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A repository of one small model, nothing run yet."""
    folder, content = tmp_path_factory.mktemp("project"), clones.params({"vit": archives["vit"]})
    return clones.project(folder / "origin", content, folder / "remote")


@pytest.mark.slow
def test_head_is_built_twice_and_compared(project):
    done = clones.run(project, *PROGRAM, "build/portable.md", "--models=vit")
    report = (project / "build/portable.md").read_text("utf-8")
    assert done.returncode == int("of which 0 differ" not in report), done.stdout
    assert "MKL_NUM_THREADS='1'" in report
    assert "DVC failed" not in report
    assert not list((project / "build").glob("portable-*"))
    clones.done(project, "git", "diff", "--exit-code")


@pytest.mark.slow
def test_a_list_of_this_machine_is_repeated_here(project):
    clones.done(project, *PROGRAM, "--write=build/list")
    clones.done(project, *PROGRAM, "--against=build/list")
    assert "of which 0 differ" in (project / "build/portable.md").read_text("utf-8")
    (project / "captions.txt").write_text("another\n", "utf-8")
    assert "commit first" in clones.run(project, *PROGRAM, "--write=build/list").stdout
    clones.done(project, "git", "restore", "captions.txt")
    unknown = clones.run(project, *PROGRAM, "--write=x", "--models=gone")
    assert "no models.gone" in unknown.stdout
