"""Fixtures over tests/small.py: checkpoints, a workspace, and a pipeline that has run."""

import shutil

import filelock
import hypothesis
import numpy as np
import pytest

import small

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def once(request, tmp_path_factory):
    """once(name, make): a folder that `make(folder)` has filled.

    The first of xdist's workers to ask makes it. Each has a copy of its own, for tests write there.
    """

    def folder(name, make):
        own = tmp_path_factory.mktemp(name)
        if not hasattr(request.config, "workerinput"):
            make(own)
            return own
        common = tmp_path_factory.getbasetemp().parent / name
        with filelock.FileLock(f"{common}.lock"):
            if not common.exists():
                partial = common.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                make(partial)
                partial.rename(common)
        return shutil.copytree(common, own, dirs_exist_ok=True)

    return folder


@pytest.fixture(scope="session")
def archives(once):
    """{kind: path} of random two-layer checkpoints, `vit` and `rn`."""

    def make(folder):
        for kind in small.KINDS:
            small.write_checkpoint(kind, folder / f"{kind}.pt")

    folder = once("archives", make)
    return {kind: folder / f"{kind}.pt" for kind in small.KINDS}


@pytest.fixture
def workspace(tmp_path, archives, monkeypatch):
    """An empty project folder as the current one."""
    small.set_up(tmp_path, small.params(archives))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def built(once, archives):
    """A project folder in which every stage up to the models has run for both checkpoints."""

    def make(folder):
        small.set_up(folder, small.params(archives))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            small.run_stage("evalset", *small.EVALSET, "data/evalset")
            for model in archives:
                small.build(model)

    return once("built", make)


@pytest.fixture(scope="session")
def bundled(built, once):
    """A project folder with every product and the bundle of the small ViT, `vit`.

    Two of its files have a floor. Its npu profile leaves the projection to the host.
    """

    def make(folder):
        ignored = shutil.ignore_patterns("rn", "rn.*")
        shutil.copytree(built, folder, ignore=ignored, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            small.bundle("vit")

    return once("bundled", make)


@pytest.fixture(scope="session")
def tiny(once):
    """A project folder: the shipped models up to std, and a reference of five inputs of each."""

    def make(folder):
        small.set_up(folder, small.tiny_params())
        pictures = np.random.default_rng(0).normal(size=(5, 3, 64, 64)).astype(np.float32)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for model in small.TINY:
                small.export_with_reference(model, pictures, small.TEXTS)

    return once("tiny", make)


@pytest.fixture
def linked(tmp_path):
    """(a folder, the weights in another one that are a link to those in it)."""
    real, other = tmp_path / "real", tmp_path / "linked"
    for folder in (real, other):
        folder.mkdir()
    (real / "model.safetensors").touch()
    (other / "model.safetensors").symlink_to(real / "model.safetensors")
    return real, other / "model.safetensors"
