"""Released models fetched for the site: from a hub of our own, as published or not at all."""

import functools
import hashlib
import json
import shutil

import huggingface_hub
import pytest

from clip_onnx import command
from tools import release, released

import hub

NAME = "someone/a-clip"


def golden(model="my-clip"):
    file = {"key": f"{model}.visual.fp32", "graph": "visual"}
    return json.dumps({"files": {"onnx/vision_model.onnx": file}, "logit_scale": 30.0}).encode()


def published(**changes):
    """The files of a release, of which some were changed after their digests were listed."""
    files = {"onnx/vision_model.onnx": b"graph", "README.md": b"card"}
    return summed(**files) | {"notes.md": b"theirs"} | changes


def summed(**files):
    """Files of which SHA256SUMS has the right digests."""
    files = {"golden.json": golden(), "metrics.json": b"{}"} | files
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in files.items())
    return files | {"SHA256SUMS": "\n".join(lines).encode()}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A hub in the place of Hugging Face's, and a cache of its own."""
    with hub.serving() as running:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        api = functools.partial(huggingface_hub.HfApi, running.address, hub.TOKEN)
        monkeypatch.setattr(huggingface_hub, "HfApi", api)
        running.repositories[NAME] = published()
        yield running


def test_what_is_published_and_listed_is_there_and_nothing_else(served, tmp_path):
    output = tmp_path / "released"
    assert released.fetch([f"{NAME}@main"], output) == {"my-clip": f"{NAME}@{hub.COMMIT}"}
    assert json.loads((output / "released.json").read_text("utf-8")).keys() == {"my-clip"}
    found = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file()
    }
    del found["released.json"]
    left_out = {"notes.md", "SHA256SUMS"}
    listed = {name: content for name, content in published().items() if name not in left_out}
    assert found == {f"my-clip/{name}": content for name, content in listed.items()}
    assert not any(path.is_symlink() for path in output.rglob("*"))  # which the site refuses


def test_models_of_an_earlier_run_are_gone(served, tmp_path):
    served.repositories["someone/b"] = summed(**{"golden.json": golden("other")})
    served.repositories[NAME] = published() | summed(**{"immich/x.onnx": b"", "README.md": b""})
    output = tmp_path / "released"
    released.fetch([NAME, "someone/b"], output)
    assert (output / "other/golden.json").exists() and (output / "my-clip/immich").exists()
    shutil.rmtree(tmp_path / "cache")  # which keeps a commit's files for good
    served.repositories[NAME] = published()
    released.fetch([NAME], output)
    assert {path.name for path in output.iterdir()} == {"my-clip", "released.json"}
    assert not (output / "my-clip/immich").exists()


def test_a_folder_of_something_else_is_kept(served, tmp_path):
    bundles = tmp_path / "bundles/my-clip"
    bundles.mkdir(parents=True)
    (bundles / "golden.json").write_text("mine", "utf-8")
    for output in (tmp_path / "bundles", bundles / "golden.json"):
        with pytest.raises(command.Refusal, match="holds something else, which would be lost"):
            released.fetch([NAME], output)
    assert (bundles / "golden.json").read_text("utf-8") == "mine"


@pytest.mark.parametrize("content", ['{"../bundles": ""}', "<<<<<<< mine", "5"])
def test_a_list_of_an_earlier_run_that_is_broken_removes_nothing(served, tmp_path, content):
    output, bundle = tmp_path / "released", tmp_path / "bundles"
    for folder in (output / "mine", bundle):
        folder.mkdir(parents=True)
    (output / "released.json").write_text(content, "utf-8")
    with pytest.raises(command.Refusal, match="holds something else"):
        released.fetch([NAME], output)
    assert (output / "mine").exists() and bundle.exists()


def test_what_was_there_stays_where_one_of_several_is_broken(served, tmp_path):
    output = tmp_path / "released"
    released.fetch([NAME], output)
    (output / "my-clip/README.md").write_text("earlier", "utf-8")
    served.repositories["someone/b"] = {"README.md": b"no release"}
    with pytest.raises(command.Refusal, match="someone/b: the hub answers 404"):
        released.fetch([NAME, "someone/b"], output)
    assert (output / "my-clip/README.md").read_text("utf-8") == "earlier"


def test_a_hub_that_cannot_be_reached_is_no_old_release(served, tmp_path, monkeypatch):
    released.fetch([NAME], tmp_path / "released")  # into the hub's cache, too
    nowhere = functools.partial(huggingface_hub.HfApi.func, "http://127.0.0.1:1")
    monkeypatch.setattr(huggingface_hub, "HfApi", nowhere)
    with pytest.raises(command.Refusal, match=f"^{NAME}: the hub cannot be reached"):
        released.fetch([NAME], tmp_path / "released")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (published(**{"onnx/vision_model.onnx": b"other"}), "onnx/vision_model.onnx has another"),
        ({k: v for k, v in published().items() if "onnx" not in k}, "onnx/vision_model.onnx of"),
        (published(SHA256SUMS=b""), "lists no golden.json"),
        (published(SHA256SUMS=b"0" * 64 + b"  golden.json"), "lists no metrics.json"),
        (
            published(SHA256SUMS=(b"0" * 64 + b"  golden.json\n") * 2),
            "SHA256SUMS is of another form",
        ),
        (published(SHA256SUMS=b"0" * 63 + b"  golden.json"), "SHA256SUMS is of another form"),
        (published(SHA256SUMS=b"0" * 64 + b"  ../golden.json"), "SHA256SUMS is of another form"),
        (published(SHA256SUMS=b"\xff"), "SHA256SUMS is of another form"),
        (published(SHA256SUMS=b"golden.json"), "SHA256SUMS is of another form"),
        (summed(**{"golden.json": b"{}"}), "golden.json is of another form"),
        (summed(**{"golden.json": b'{"files": {}, "logit_scale": 1.0}'}), "names 0 models"),
        ({"README.md": b"no release"}, "the hub answers 404 for it"),
    ],
)
def test_what_is_not_as_it_was_published_is_refused_in_a_line(served, tmp_path, files, said):
    served.repositories[NAME] = files
    with pytest.raises(command.Refusal, match=f"^{NAME}.*: .*{said}.*publish it") as refusal:
        released.fetch([NAME], tmp_path / "released")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "released").exists()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("someone/none", "correct the name"),
        (f"{NAME}@none", "correct the name"),
        ("no name", "no name: "),
        ("a/b/c", "a/b/c: "),
        (f"{NAME}@\udcff", "name it OWNER/NAME or"),
    ],
)
def test_a_repository_that_is_not_there_is_refused(served, tmp_path, place, said):
    with pytest.raises(command.Refusal, match=said):
        released.fetch([place], tmp_path / "released")


def test_one_model_from_two_repositories_is_refused(served, tmp_path):
    served.repositories["someone/b"] = published()
    with pytest.raises(command.Refusal, match=f"someone/b and {NAME}@1+ are both of my-clip"):
        released.fetch([NAME, "someone/b"], tmp_path / "released")


def test_a_release_has_the_figures_of_its_own_files_alone():
    figures = {"a": {"visual": {"fp32": {"cosine_min": 1.0}, "fp16": {}}}, "b": {"visual": {}}}
    keys = {"a.visual.fp32", "a.textual.fp32", "b.visual.fp32"}
    assert release.of_files(figures, keys) == {"a": {"visual": {"fp32": {"cosine_min": 1.0}}}}
