"""Publishing and fetching a model: a small project with a shared remote, and a hub of our own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from clip_onnx import command
from clip_onnx.settings import params
from tools import checkpoint_origin, publish, release

import hub
import small

MODEL, SLUG = "vit", "tiny-vit"  # a small checkpoint under a name that dvc.yaml's artifacts have
BUNDLE = f"data/bundles/{SLUG}"
TARGET = "someone/a-clip"


def environment(folder, **variables):
    """Without a token, and with nothing that other tools of this machine keep."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HF_HOME": str(folder / "build/hub"),
        "HF_HUB_DISABLE_XET": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **variables,
    }


def run(folder, *line, **variables):
    variables = environment(folder, **variables)
    return subprocess.run(line, cwd=folder, env=variables, capture_output=True, text=True)


def done(folder, *line):
    result = run(folder, *line)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def git(folder, *line):
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@localhost")
    return done(folder, "git", *identity, *line)


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A git project in which `dvc repro` has run, its outputs in a remote, its model tagged."""
    folder = tmp_path_factory.mktemp("release") / "project"
    folder.mkdir()
    content = small.params({SLUG: archives[MODEL]})
    content["grid"]["encodings"] = {
        "plain": ["fp32", "int8w"],
        "by_sensitivity": [],
        "resnets": [],
    }
    content["bundle"] = {"encodings": ["int8w"], "profiles": [], "products": []}
    small.set_up(folder, content)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(small.ROOT / "tools", folder / "tools", ignore=ignored)
    shutil.copyfile(small.ROOT / ".gitignore", folder / ".gitignore")
    done(folder, "git", "init", "--quiet")
    done(folder, "dvc", "init", "--quiet")
    shutil.copyfile(small.ROOT / ".dvc/config", folder / ".dvc/config")
    done(folder, "dvc", "remote", "add", "--default", "shared", str(folder.parent / "remote"))
    done(folder, "dvc", "repro")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "built")
    done(folder, "dvc", "push", "--quiet", BUNDLE)
    git(folder, "tag", "--annotate", f"{SLUG}@v1.0.0", "--message", "first")  # DVC sees no others
    return folder


def publishing(folder, *arguments, **variables):
    line = (sys.executable, "-m", "tools.publish", TARGET, SLUG, *arguments)
    return run(folder, *line, **variables)


def contents(folder):
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def refused(result):
    """The one line that a refusal is."""
    assert result.returncode == 1, result.stdout
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.slow
def test_without_a_token_the_folder_is_all_and_the_same_again(project):
    folder = project / "build/release" / SLUG
    result = publishing(project, "--weights", "random")
    assert result.returncode == 0, result.stderr
    assert "set HF_TOKEN" in result.stdout
    first = contents(folder)
    assert {"README.md", "LICENSE", "SHA256SUMS", "golden.json", "config.json"} <= first.keys()
    assert contents(project / BUNDLE).items() <= first.items()
    parity = json.loads((project / "metrics/parity.json").read_text("utf-8"))[SLUG]
    of_file = {tower: {"int8w": parity[tower]["int8w"]} for tower in ("textual", "visual")}
    assert json.loads(first["metrics.json"]) == {"parity": {SLUG: of_file}, "runtimes": {}}
    done(folder, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
    assert len(first["SHA256SUMS"].splitlines()) == len(first) - 1
    publishing(project, "--weights", "random")
    assert contents(folder) == first


@pytest.mark.slow
def test_the_card_tells_that_weights_are_random_and_what_was_measured(project):
    publishing(project, "--weights", "random")
    text = (project / "build/release" / SLUG / "README.md").read_text("utf-8")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "mit"
    assert "RANDOM WEIGHTS" in body.splitlines()[1]
    assert "Synthetic figures" in body
    parity = json.loads((project / "metrics/parity.json").read_text("utf-8"))[SLUG]["visual"][
        "int8w"
    ]
    (line,) = [line for line in body.splitlines() if "`onnx/vision_model_quantized.onnx`" in line]
    assert f"{parity['cosine_min']:.7f}" in line and f"{parity['snr_db']:.1f}" in line
    assert done(project, "git", "rev-parse", "HEAD").strip() in body
    content = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    assert content["models"][SLUG]["sha256"] in body
    assert content["models"][SLUG]["source"] not in body  # a path of this machine


@pytest.mark.slow
def test_with_a_token_the_folder_is_uploaded_and_the_token_is_kept_nowhere(project):
    with hub.serving() as served:
        variables = {"HF_ENDPOINT": served.address, "HF_TOKEN": hub.TOKEN}
        served.repositories[TARGET] = {"onnx/old.onnx": b"old", "notes.md": b"theirs"}
        result = publishing(project, "--weights", "random", **variables)
        assert result.returncode == 0, result.stderr
        assert f"{TARGET}/commit" in result.stdout
    uploaded = served.repositories[TARGET]
    assert uploaded.pop("notes.md") == b"theirs"
    assert uploaded == contents(project / "build/release" / SLUG)
    kept = [path for path, content in contents(project).items() if hub.TOKEN.encode() in content]
    assert kept == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["token", "address"])
def test_an_upload_that_fails_is_refused_and_leaves_the_folder(project, fault):
    with hub.serving() as served:
        address = served.address
        if fault == "token":
            variables = {"HF_ENDPOINT": address, "HF_TOKEN": "hf_wrong"}
            line = refused(publishing(project, "--weights", "random", **variables))
    if fault == "address":
        variables = {"HF_ENDPOINT": address, "HF_TOKEN": hub.TOKEN}
        line = refused(publishing(project, "--weights", "random", **variables))
    assert TARGET in line and "try again" in line
    assert (project / "build/release" / SLUG / "SHA256SUMS").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say WEIGHTS=random, or WEIGHTS=trained"),
        (("--weights", "trained"), "LICENSE="),
    ],
)
def test_weights_of_unknown_origin_are_asked_about(project, arguments, message):
    assert message in refused(publishing(project, *arguments))


@pytest.mark.slow
@pytest.mark.parametrize("path", [f"{BUNDLE}/config.json", "metrics/parity.json"])
def test_what_is_not_dvc_locks_is_refused(project, path):
    old = (project / path).read_bytes()
    (project / path).write_bytes(old.replace(b"1", b"2", 1))
    try:
        assert "are not what dvc.lock says" in refused(publishing(project, "--weights", "random"))
    finally:
        (project / path).write_bytes(old)


@pytest.mark.slow
def test_a_missing_bundle_is_refused(project):
    (project / BUNDLE).rename(project / "build/aside")
    try:
        assert f"{BUNDLE} is missing" in refused(publishing(project, "--weights", "random"))
    finally:
        (project / "build/aside").rename(project / BUNDLE)


@pytest.mark.slow
def test_what_is_not_committed_is_refused(project):
    path = project / "tools/card.py"
    old = path.read_text("utf-8")
    path.write_text(old + "\n", "utf-8")
    try:
        line = refused(publishing(project, "--weights", "random"))
        assert "tools/card.py is not committed" in line
    finally:
        path.write_text(old, "utf-8")


@pytest.mark.slow
def test_a_broken_floor_is_refused_by_its_name(project):
    parity = json.loads((project / "metrics/parity.json").read_text("utf-8"))
    settings = params.load(project / "params.yaml")
    floor = {"cosine_min": 1.0, "snr_db": 190.0}
    floors = {SLUG: {"visual": {"int8w": params.Floor(**floor)}}}
    broken = settings.model_copy(update={"floors": floors})
    key = f"{SLUG}.visual.int8w"
    with pytest.raises(command.Refusal, match=f"{key}.*nothing is published"):
        release.check_floors(parity, {}, broken, {key})
    release.check_floors(parity, {}, broken, {f"{SLUG}.visual.fp32"})
    release.check_floors(parity, {}, settings, {key})
    parity[SLUG]["known_answers"] = {"cat": {"agrees": False}}
    with pytest.raises(command.Refusal, match=f"{SLUG}.known_answers.cat"):
        release.check_floors(parity, {}, settings, {key})


@pytest.mark.slow
@pytest.mark.parametrize("target", ["", "name", "a/b/c", "some one/x"])
def test_a_target_that_is_no_repository_is_refused(project, target):
    line = (sys.executable, "-m", "tools.publish", target, SLUG, "--weights", "random")
    assert "TARGET" in refused(run(project, *line))


def test_several_models_go_to_repositories_of_their_own():
    assert publish.destinations("a/b", ["x"]) == {"x": "a/b"}
    assert publish.destinations("a/b", ["x", "y"]) == {"x": "a/b-x", "y": "a/b-y"}


def test_openais_checkpoints_are_told_by_their_checksum():
    settings = params.load()
    official = settings.models["vit-b-32"].sha256
    found = checkpoint_origin.of(settings, "mine", official)
    assert found is checkpoint_origin.OPENAI
    with pytest.raises(command.Refusal, match="leave WEIGHTS and LICENSE out"):
        checkpoint_origin.of(settings, "mine", official, "random")
    own = checkpoint_origin.of(settings, "mine", "0" * 64, "trained", "apache-2.0")
    assert own.license == "apache-2.0" and "not OpenAI's" in own.text


def test_artifacts_are_the_grids_bundles():
    with Repo(".") as repo:
        named = repo.artifacts.read()["dvc.yaml"]
    paths = {name: artifact.path for name, artifact in named.items()}
    shipped = {model: f"data/bundles/{model}" for model in small.TINY}
    assert shipped.items() <= paths.items()  # a grid of one's own may have more
    assert all(path == f"data/bundles/{name}" for name, path in paths.items())
    assert all(artifact.type == "model" and artifact.desc for artifact in named.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        ("dvc", "get", "PROJECT", BUNDLE, "--out", "fetched"),
        ("dvc", "artifacts", "get", "PROJECT", SLUG, "--out", "fetched"),
        ("dvc", "artifacts", "get", "PROJECT", SLUG, "--rev", "v1.0.0", "--out", "fetched"),
    ],
    ids=["get", "artifact", "version"],
)
def test_one_model_is_fetched_from_the_remote(project, tmp_path, line):
    """Of a clone that has no data and no cache, as a shared repository is."""
    clone = tmp_path / "clone"
    done(tmp_path, "git", "clone", "--quiet", str(project), str(clone))
    done(tmp_path, *(str(clone) if word == "PROJECT" else word for word in line))
    assert contents(tmp_path / "fetched") == contents(project / BUNDLE)
    assert not (clone / "data/bundles").exists()
