"""Fixtures over tests/small.py: checkpoints, a workspace, and a pipeline that has run."""

import shutil

import hypothesis
import numpy as np
import pytest

import small

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def archives(tmp_path_factory):
    """{kind: path} of random two-layer checkpoints, `vit` and `rn`."""
    folder = tmp_path_factory.mktemp("archives")
    return {kind: small.write_checkpoint(kind, folder / f"{kind}.pt") for kind in small.KINDS}


@pytest.fixture
def workspace(tmp_path, archives, monkeypatch):
    """An empty project folder as the current one."""
    small.set_up(tmp_path, small.params(archives))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def built(tmp_path_factory, archives):
    """A project folder in which every stage up to the models has run for both checkpoints."""
    folder = tmp_path_factory.mktemp("built")
    small.set_up(folder, small.params(archives))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small.run_stage("evalset", "stages/photographs.csv", "stages/captions.txt", "data/evalset")
        for model in archives:
            small.build(model)
    return folder


@pytest.fixture(scope="session")
def bundled(built, tmp_path_factory):
    """A project folder with every product and the bundle of the small ViT, `vit`.

    Two of its files have a floor. Its npu profile leaves the projection to the host.
    """
    content, models = small.params({}), "data/models/vit"
    products, floor = ["combined", "classifier", "image"], {"cosine_min": 0.9999, "snr_db": 40.0}
    content["models"] = {"vit": {"source": "x"}}
    content["grid"]["models"] = ["vit"]
    content["grid"] |= {"profiles": ["npu"], "products": products, "composed": ["fp32"]}
    content["bundle"] |= {"profiles": ["npu"], "products": [*products, "preprocess"]}
    content["profiles"]["npu"]["text"] = "tokens"
    content["floors"] = {"vit": {"visual": {"fp32": floor}, "textual": {"fp32": floor}}}
    folder = tmp_path_factory.mktemp("bundled") / "project"
    shutil.copytree(built, folder, ignore=shutil.ignore_patterns("rn", "rn.*"))
    small.write_params(folder, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for tower in ("visual", "textual"):
            small.run_stage("patch", f"data/export/vit/{tower}", "npu", f"{models}/{tower}/npu")
        for product in products:
            given = [f"--{tower}={models}/{tower}/fp32" for tower in ("visual", "textual")]
            given += [f"--labels-by={models}/textual/fp32", "--checkpoint=data/checkpoints/vit"]
            small.run_stage("compose", product, *given, f"{models}/{product}/fp32")
        given = ["preprocess", "--checkpoint=data/checkpoints/vit", f"{models}/preprocess/fp32"]
        small.run_stage("compose", *given)
        paths = ("models/vit", "reference/vit", "checkpoints/vit", "evalset", "bundles/vit")
        small.run_stage("bundle", *(f"data/{path}" for path in paths))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A project folder: the shipped models up to std, and a reference of five inputs of each."""
    folder = tmp_path_factory.mktemp("tiny")
    small.set_up(folder, small.tiny_params())
    pictures = np.random.default_rng(0).normal(size=(5, 3, 64, 64)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for model in small.TINY:
            small.export_with_reference(model, pictures, small.TEXTS)
    return folder
