"""OpenAI's weights, with small checkpoints in their place: what is built, noted and refused."""

import json
import sys

import pytest
import yaml
from PIL import Image

from clip_onnx import command
from clip_onnx.settings import params
from stages.download.addresses import OFFICIAL
from tools import architectures, real, real_figures

import clones
import file_server
import small
from test_check import published

MODELS = {"vit-b-32": ("vit", "ViT-B-32.pt"), "rn50": ("rn", "RN50.pt")}
HEAD = ("git", "rev-parse", "--short", "HEAD")
OTHER = "a" * 64  # the SHA-256 of nothing here


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no model is named: make real MODEL=…, one or several of rn50, rn101"),
        (["rn50", "rn51"], "params.yaml has no models.rn51: name one of rn50, rn101"),
        (["tiny-vit"], "models.tiny-vit of params.yaml is not OpenAI's, .*: name one of rn50"),
    ],
)
def test_what_is_none_of_openais_is_refused(names, said):
    with pytest.raises(command.Refusal, match=said) as refused:
        real.chosen(params.load(), names)
    assert "\n" not in str(refused.value)


def test_the_nine_are_openais():
    listed = params.load().models
    nine = {name for name, model in listed.items() if real.official(model)}
    assert nine == {*architectures.OFFICIAL} and len(nine) == 9


@pytest.mark.parametrize(("name", "resnets"), [("rn101", ["rn101"]), ("vit-b-16", [])])
def test_a_model_is_built_in_every_encoding_of_both_towers(tmp_path, name, resnets):
    settings = params.load()
    small.write_params(tmp_path, real.content(name, settings.models[name]))
    grid = params.load(tmp_path / "params.yaml").grid
    assert (grid.models, grid.resnets) == ([name], resnets)
    assert grid.encodings == settings.grid.encodings
    assert not grid.products and not grid.profiles


@pytest.fixture(scope="module")
def project(tmp_path_factory, archives):
    """A committed project that names small checkpoints as OpenAI's, with answers of theirs."""
    folder = tmp_path_factory.mktemp("real") / "project"
    content = clones.params({"vit": archives["vit"]})
    for name, (kind, file) in MODELS.items():
        sha256 = small.sha256(archives[kind])
        source = f"{OFFICIAL}/{sha256}/{file}"
        content["models"][name] = {"source": source, "sha256": sha256}
    content["grid"]["encodings"] |= {"plain": ["fp32"], "resnets": ["int8-static"]}
    content["grid"]["encodings"] |= {"by_sensitivity": ["int8w"]}
    content["known_answers"] = {"pictures": "pictures"}
    small.set_up(folder, content)
    (folder / "pictures").mkdir()
    picture = folder / "pictures/picture.png"
    Image.effect_noise((90, 70), 80).save(picture)
    answers = [one for kind, _ in MODELS.values() for one in published(archives[kind], picture)]
    answer(folder, answers)
    noise = folder / "stages/check/noise.py"
    text = noise.read_text("utf-8")
    noise.write_text(text.replace("SIDES = (224, 288, 384, 448)", "SIDES = (64,)"), "utf-8")
    return clones.under_git(folder)


def answer(folder, answers):
    (folder / real.ANSWERS).write_text(json.dumps(answers), "utf-8")


@pytest.fixture
def make(project, archives, monkeypatch):
    """make(model, mood): `tools.real` in the project, which finds a mirror of that mood."""

    def run(model, mood="well"):
        with file_server.running(monkeypatch) as server:
            server.content, server.moods = archives[MODELS[model][0]].read_bytes(), [mood]
            line = [sys.executable, "-m", "tools.real", model]
            done = clones.run(project, *line, CLIP_MIRROR=server.url)
            done.asked = [path for path, _ in server.requests]
            return done

    return run


def openai(project):
    return json.loads((project / "metrics/openai.json").read_text("utf-8"))


@pytest.mark.slow
def test_openais_files_are_fetched_built_and_noted(project, make, archives):
    settings = (project / "params.yaml").read_bytes()
    for model, (kind, file) in MODELS.items():
        done = make(model)
        sha256 = small.sha256(archives[kind])
        assert done.returncode == 0, done.stdout
        assert done.asked == [f"/{sha256}/{file}"]
        assert "known answers: 4 of 4" in done.stdout
        assert done.stdout.rstrip().endswith("commit metrics/openai.json")
        assert not any(secret in done.stdout for secret in file_server.SECRETS)
        found = openai(project)[model]
        assert found["sha256"] == sha256
        assert found["commit"] == clones.done(project, *HEAD).strip()
        assert found["figures"]["visual"].keys() - {"int8-static"} == {"fp32", "int8w"}
        assert ("int8-static" in found["figures"]["visual"]) == (kind == "rn")
        assert found["figures"]["textual"]["fp32"]["cosine_min"] > 0.999999
        assert found["figures"]["visual"]["int8w"].keys() == {*real_figures.KEPT}
        assert len(found["known_answers"]) == 4
        assert (project / "build/real" / model / "onnx/vision_model_quantized.onnx").exists()
    assert openai(project).keys() == MODELS.keys()
    assert (project / "params.yaml").read_bytes() == settings
    changed = clones.done(project, "git", "status", "--porcelain").split()
    assert changed == ["??", "metrics/"]


@pytest.mark.slow
def test_an_answer_that_is_not_met_is_named_and_fails(project, make):
    listed = json.loads((project / real.ANSWERS).read_text("utf-8"))
    listed[0]["text_embeds"][3] += 0.01
    answer(project, listed)
    before = openai(project)
    done = make("vit-b-32")
    assert done.returncode == 1
    assert "known answers: 3 of 4" in done.stdout
    assert "error: vit-b-32.text: not as stages/check/known_answers.json" in done.stdout
    found = openai(project)
    assert found["rn50"] == before["rn50"]
    assert found["vit-b-32"]["known_answers"]["text"]["agrees"] is False
    assert found["vit-b-32"]["commit"].endswith("-dirty")
    assert found["vit-b-32"]["figures"] == before["vit-b-32"]["figures"]


@pytest.mark.slow
def test_a_download_that_fails_is_refused_in_a_line(project, make):
    """Of a checkpoint that no cache has, by another digest."""
    content = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    content["models"]["rn50"] = {"source": f"{OFFICIAL}/{OTHER}/RN50.pt", "sha256": OTHER}
    small.write_params(project, content)
    noted = project / "metrics/openai.json"
    noted.parent.mkdir(exist_ok=True)
    if not noted.exists():
        noted.write_text("{}\n", "utf-8")
    before = noted.read_bytes()
    done = make("rn50", mood=404)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: rn50: http://127.0.0.1") and "404" in line
    assert "Traceback" not in done.stdout
    assert not any(secret in done.stdout for secret in file_server.SECRETS)
    assert noted.read_bytes() == before
