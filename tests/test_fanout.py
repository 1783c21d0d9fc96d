"""`make fanout` on Ray on this machine: the bytes of a plain `dvc repro`, whoever is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tools import fanout

import clones
import small

pytest.importorskip("ray", reason="make team installs it")

FANOUT = (sys.executable, "-m", "tools.fanout", "run")
NOT_CACHED = {"pins", "report"}


def variables(folder):
    """Tasks' clones in a folder of the test's; Ray's sockets need a short path."""
    machines = folder / "machines"
    machines.mkdir(exist_ok=True)
    return {"TMPDIR": str(machines), "RAY_TMPDIR": "/tmp"}


@pytest.fixture(scope="module")
def project(archives, tmp_path_factory):
    """The two-layer models and the shipped ones, with a remote and nothing run."""
    folder = tmp_path_factory.mktemp("fanout") / "project"
    folder.mkdir()
    content = clones.params(archives)
    content["models"] |= {name: small.tiny_params()["models"][name] for name in small.TINY}
    content["grid"]["models"] = [*archives, *small.TINY]
    content["floors"] |= {name: {} for name in small.TINY}
    return clones.project(folder, content, folder.parent / "remote")


@pytest.fixture(scope="module")
def plain(project):
    """A clone in which `dvc repro` has run and nothing else."""
    clone = clones.clone(project, project.parent / "plain")
    clones.done(clone, "dvc", "repro")
    return clone


def inside(folder):
    """The processes that work below a folder."""
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                yield process
        except (psutil.Error, OSError):
            continue


def worker_of(folder, stage):
    """The process of Ray's in whose clone below a folder a stage runs, or None."""
    for process in inside(folder):
        try:
            if stage in " ".join(process.cmdline()):
                family = process.parents()
                return next(p for p in family if p.cmdline()[0].startswith("ray::attempt"))
        except (psutil.Error, StopIteration, IndexError):
            continue
    return None


@pytest.mark.slow
def test_fanout_gives_the_bytes_of_a_plain_repro_though_a_worker_is_killed(project, plain):
    clone, given = clones.clone(project, project.parent / "fanned"), variables(project.parent)
    environment = clones.environment(clone, **given)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(FANOUT, cwd=clone, env=environment, **pipes) as process:
        killed = None
        while process.poll() is None and not killed:
            killed = worker_of(given["TMPDIR"], "stages.export data/checkpoints/vit")
            time.sleep(0.05)
        assert killed, process.stdout.read()
        killed.kill()
        said = process.stdout.read()
    assert process.returncode == 0, said
    lines = said.splitlines()
    assert {f"{name}: done" for name in ("prepare", "vit", "rn", *small.TINY)} <= set(lines)
    assert clones.ran(said) <= NOT_CACHED
    assert clones.files(clone) == clones.files(plain)
    assert not list(inside(given["TMPDIR"]))
    assert not list(Path(given["TMPDIR"]).glob("clip-onnx-*"))
    assert not (project.parent / ".ray").exists()


@pytest.mark.slow
def test_a_model_that_always_fails_is_named_and_the_others_are_gathered(project, plain):
    clone = clones.clone(project, project.parent / "failing")
    content = small.yaml.safe_load((clone / "params.yaml").read_text("utf-8"))
    content["models"] = {"vit": content["models"]["vit"], "gone": {"source": "/gone.pt"}}
    content["grid"]["models"] = ["gone", "vit"]
    content["floors"] = {"gone": {}, "vit": {}}
    small.write_params(clone, content)
    assert "error: commit first" in clones.run(clone, *FANOUT).stdout
    clones.commit(clone)
    remote = ("dvc", "remote", "modify", "--local", "shared", "url", "../remote")
    clones.done(clone, *remote)
    result = clones.run(clone, *FANOUT, **variables(project.parent))
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[-1] == "error: failed: gone"
    failed = lines.index("gone: failed")
    assert any("/gone.pt" in line for line in lines[failed : failed + 16])
    assert "vit: done" in lines
    ran = clones.ran("\n".join(lines[lines.index("vit: done") :]))
    assert ran <= NOT_CACHED | {"download@gone"}  # whose attempts may end after vit's
    for path in ("data/models/vit/visual/int8w/model.onnx", "data/eval/vit.visual.int8w.json"):
        assert small.sha256(clone / path) == small.sha256(plain / path)


def test_without_a_remote_nothing_starts(project, tmp_path):
    clone = clones.clone(project, tmp_path / "clone")
    clones.done(clone, "dvc", "remote", "remove", "shared")
    clones.commit(clone)
    result = clones.run(clone, *FANOUT)
    assert (result.returncode, result.stdout.count("\n")) == (1, 1)
    assert result.stdout.startswith("error: no default remote")


def test_a_task_has_the_remote_and_the_credentials_and_leaves_nothing(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "tools").mkdir(parents=True)
    program = "import os; print(open('.dvc/config.local').read(), dict(os.environ)); exit(1)"
    (project / "tools/fanout.py").write_text(program, "utf-8")
    clones.done(project, "git", "init", "--quiet")
    clones.done(project, "dvc", "init", "--quiet")
    clones.commit(project)
    bundle = ("git", "bundle", "create", "--quiet", "-", "HEAD")
    bundle = subprocess.check_output(bundle, cwd=project)
    machine = tmp_path / "machine"
    machine.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(machine))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Ray sets it
    remote = {"url": "s3://bucket/cache", "secret_access_key": "a local secret"}
    with pytest.raises(RuntimeError) as failure:
        fanout.attempt("run", ["prepare"], bundle, remote, {"AWS_PROFILE": "somebody"})
    said = str(failure.value)
    assert "s3://bucket/cache" in said and "a local secret" in said
    assert "'AWS_PROFILE': 'somebody'" in said and "OMP_NUM_THREADS" not in said
    assert not os.listdir(machine)
