"""OpenAI's weights, with small checkpoints in their place: what is noted, refused and shown."""

import json
import shutil
import sys

import pytest
import yaml
from PIL import Image

from clip_onnx import command
from clip_onnx.settings import params
from stages.download.addresses import OFFICIAL
from tools import docs, real, real_figures

import clones
import file_server
import small
from test_check import published

MODELS = {"vit-b-32": ("vit", "ViT-B-32.pt"), "rn50": ("rn", "RN50.pt")}
HEAD = ("git", "rev-parse", "--short", "HEAD")
OTHER = "a" * 64  # the SHA-256 of nothing here
NOISE = params.load().noise


def entry(sha256="1", commit="a", **changed):
    figures = {"size_mb": 2.0, "cosine_min": 0.999, "snr_db": 40.0, "inputs": 77} | changed
    figures = {"visual": {"int8w": figures | {"accuracy": 0.5}}, "textual": {"int8w": figures}}
    answers = {"noise": {"agrees": True, "largest_difference": 1e-5}}
    return {"sha256": sha256, "commit": commit, "figures": figures, "known_answers": answers}


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The file in which entries are noted, not there yet."""
    monkeypatch.setattr(real_figures, "FILE", tmp_path / "openai.json")
    return tmp_path / "openai.json"


def test_an_entry_has_the_towers_figures_of_the_grids_encodings():
    file = {"size_mb": 1.0, "cosine_min": 1.0, "cosine_mean": 1.0, "snr_db": 9.0, "inputs": 7}
    graphs = {
        "visual": {"fp32": file | {"accuracy": 0.5}, "npu": file, "pytorch": {"cosine_min": 1.0}},
        "textual": {"fp32": file},
        "known_answers": {"cats": {"agrees": False}},
    }
    found = real_figures.entry(graphs, ["fp32", "int8-static"], "1", "a")
    kept = {"size_mb": 1.0, "cosine_min": 1.0, "snr_db": 9.0, "inputs": 7}
    assert found == {
        "sha256": "1",
        "commit": "a",
        "figures": {"visual": {"fp32": kept | {"accuracy": 0.5}}, "textual": {"fp32": kept}},
        "known_answers": {"cats": {"agrees": False}},
    }


def test_other_models_stay(noted):
    real_figures.merge("rn50", entry(), NOISE)
    real_figures.merge("vit-b-32", entry("2"), NOISE)
    assert json.loads(noted.read_text("utf-8")) == {"rn50": entry(), "vit-b-32": entry("2")}


@pytest.mark.parametrize(
    ("new", "stays"),
    [
        (entry(commit="b"), True),
        (entry(commit="b", cosine_min=0.999001, snr_db=40.1), True),
        (entry(commit="b", snr_db=41.0), False),
        (entry(commit="b", size_mb=2.1), False),
        (entry(commit="b", cosine_min=None), False),
        (entry("2", commit="b"), False),
        (entry(commit="b") | {"known_answers": {}}, False),
        (entry(commit="b") | {"known_answers": {"noise": {"agrees": False}}}, False),
    ],
)
def test_an_entry_stays_while_its_figures_move_by_noise(noted, new, stays):
    real_figures.merge("rn50", entry(), NOISE)
    assert real_figures.merge("rn50", new, NOISE) == (entry() if stays else new)
    assert real_figures.read() == {"rn50": entry() if stays else new}


def test_what_is_no_number_is_not_written(noted):
    real_figures.merge("rn50", entry(), NOISE)
    before = noted.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        real_figures.merge("rn50", entry(snr_db=float("nan")), NOISE)
    assert noted.read_bytes() == before


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n{}", "[]"])
def test_a_file_that_a_merge_tore_is_refused(noted, text):
    noted.write_text(text, "utf-8")
    with pytest.raises(command.Refusal, match=r"openai\.json is no JSON object: git restore"):
        real_figures.merge("rn50", entry(), NOISE)
    assert noted.read_text("utf-8") == text


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
    assert nine == listed.keys() - set(small.TINY) and len(nine) == 9


@pytest.mark.parametrize(("name", "resnets"), [("rn101", ["rn101"]), ("vit-b-16", [])])
def test_a_model_is_built_in_every_encoding_of_both_towers(tmp_path, name, resnets):
    settings = params.load()
    small.write_params(tmp_path, real.content(name, settings.models[name]))
    grid = params.load(tmp_path / "params.yaml").grid
    assert (grid.models, grid.resnets) == ([name], resnets)
    assert grid.encodings == settings.grid.encodings
    assert not grid.products and not grid.profiles


def shown(tmp_path, monkeypatch):
    """README and docs/results.md as `make docs` leaves them."""
    pages = [tmp_path / page.name for page in docs.PAGES]
    for page, copy in zip(docs.PAGES, pages, strict=True):
        shutil.copyfile(page, copy)
    with monkeypatch.context() as patch:
        patch.setattr(docs, "PAGES", pages)
        patch.setattr(sys, "argv", ["docs"])
        docs.main()
    return [(tmp_path / name).read_text("utf-8") for name in ("README.md", "results.md")]


def test_pages_show_openais_figures_first_once_they_are_there(noted, tmp_path, monkeypatch):
    readme, results = shown(tmp_path, monkeypatch)
    for page, first in ((readme, "<!-- encodings -->"), (results, "<!-- results -->")):
        assert page.count(real_figures.NOT_YET) == 1
        assert page.index(real_figures.NOT_YET) < page.index(first)
    real_figures.merge("rn50", entry(), NOISE)
    real_figures.merge("vit-b-32", entry("2", cosine_min=None), NOISE)
    readme, results = shown(tmp_path, monkeypatch)
    assert real_figures.NOT_YET not in readme + results
    assert "| `int8w`    | 4.00 |                |" in readme
    assert "Both towers of OpenAI's `vit-b-32`." in readme
    found = results[: results.index("<!-- results -->")]
    assert "| rn50     | `int8w`    | 4.00 | 0.9990000 " in found
    assert found.index("| rn50 ") < found.index("| vit-b-32 ")
    assert "measured: `rn50` 1 of 1 (a), `vit-b-32` 1 of 1 (a)." in found


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
