"""A checkpoint of one tower is built, from its file to its bundle; the other tower is absent."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import one_tower
import pytest
import torch

from clip_onnx import Clip, absent, command, graphs, verify
from clip_onnx.checkpoint import architecture
from clip_onnx.host import sessions
from clip_onnx.openai import towers
from stages.download import checkpoints
from tools import build
from web import index

import small

TOWERS = ("visual", "textual")
OTHER = dict(zip(TOWERS, TOWERS[::-1], strict=True))
TAKEN = {  # of the products, what is built of a tower alone
    "visual": {"image", "preprocess"},
    "textual": set(),
}
FORMS = [
    pytest.param(one_tower.hugging_face, "vit", "visual", id="hugging-face-visual"),
    pytest.param(one_tower.hugging_face, "vit", "textual", id="hugging-face-textual"),
    pytest.param(one_tower.openai, "vit", "visual", id="openai-vit"),
    pytest.param(one_tower.openai, "rn", "visual", id="openai-resnet"),
    pytest.param(one_tower.openai, "rn", "textual", id="openai-textual"),
]


def load(path):
    return checkpoints.load(path, small.sha256(path), "quick_gelu")


@pytest.mark.parametrize(("form", "kind", "tower"), FORMS)
def test_a_tower_alone_has_the_tensors_that_it_has_in_the_whole(
    archives, tmp_path, capsys, form, kind, tower
):
    pin = small.sha256(archives[kind])
    state = load(form(archives[kind], pin, tower, tmp_path))
    whole = checkpoints.load(archives[kind], pin)
    assert state.keys() == one_tower.part(whole, tower).keys()
    assert all(torch.equal(state[name].float(), whole[name].float()) for name in state)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    sizes = architecture.read(shapes)
    assert sizes.towers == (tower,) and not sizes.whole
    assert sizes.embed_dim == small.KINDS[kind].embed_dim
    assert towers.expected_shapes(sizes) == shapes
    assert f"it has the {tower} tower alone" in capsys.readouterr().out


def test_a_logit_scale_beside_a_tower_alone_is_left_out(archives, tmp_path, capsys):
    pin = small.sha256(archives["vit"])
    state = checkpoints.load(archives["vit"], pin)
    part = one_tower.part(state, "visual") | {"logit_scale": state["logit_scale"]}
    torch.save(part, tmp_path / "mine.pt")
    assert "logit_scale" not in load(tmp_path / "mine.pt")
    assert "its logit_scale is left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "relu"}, 'hidden_act in config.json is "relu"'),
        ({"model_type": "clip_text_model"}, "model_type in config.json is"),
        ({"image_size": 96}, "image_size in config.json is 96"),
    ],
)
def test_a_configuration_of_another_network_is_refused(archives, tmp_path, change, message):
    whole = archives["vit"]
    path = one_tower.hugging_face(whole, small.sha256(whole), "visual", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | change), "utf-8")
    with pytest.raises(command.Refusal, match=re.escape(message)):
        load(path)


def test_the_configuration_of_the_whole_may_lie_beside_a_tower(archives, tmp_path):
    """What it says of the other tower is of nothing that is built."""
    whole = archives["vit"]
    path = one_tower.hugging_face(whole, small.sha256(whole), "visual", tmp_path)
    section = json.loads((tmp_path / "config.json").read_text("utf-8"))
    config = {"model_type": "clip", "vision_config": section, "text_config": {"hidden_size": 7}}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    assert checkpoints.load(path, small.sha256(path))


def test_who_loads_an_absent_graph_is_told_why(tmp_path):
    absent.write(tmp_path, absent.tower("textual"))
    for load_it in (graphs.load, sessions.session):
        with pytest.raises(command.Refusal, match=f"{tmp_path}: the checkpoint has no textual"):
            load_it(tmp_path)


def test_what_is_made_of_an_absent_graph_is_absent_for_the_same_reason(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    for folder in (source, output):
        folder.mkdir()
    absent.write(source, absent.tower("visual"))
    (output / "model.onnx").write_bytes(b"of a checkpoint that had it")
    with absent.passed_on(output):
        graphs.load(source)
    assert absent.why(output) == absent.why(source) == "the checkpoint has no visual tower"
    assert [path.name for path in output.iterdir()] == ["absent.txt"]


def settings(archives, folder):
    """params.yaml's content for a ViT's visual tower and a textual one."""
    pin = small.sha256(archives["vit"])
    files = {
        "visual": one_tower.hugging_face(archives["vit"], pin, "visual", folder / "saved"),
        "textual": one_tower.openai(archives["vit"], pin, "textual", folder / "beside"),
    }
    content = small.params(files)
    content["models"]["textual"]["activation"] = "quick_gelu"
    content["grid"] |= {"profiles": ["npu"], "composed": ["fp32"]}
    content["grid"]["products"] = ["combined", "classifier", "image"]
    content["grid"]["encodings"] = {
        "plain": ["fp32", "int8w"],
        "by_sensitivity": ["mixed"],
        "resnets": [],
    }
    return content


@pytest.fixture(scope="module")
def pipeline(archives, once):
    """A project folder in which every stage of dvc.yaml has run for two checkpoints of one tower
    each, whose names are their towers'."""

    def make(folder):
        small.set_up(folder, settings(archives, folder))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            one_tower.run_pipeline()

    return once("one_tower", make)


def metrics(pipeline, name="parity"):
    return json.loads((pipeline / f"metrics/{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("tower", TOWERS)
def test_the_tower_is_measured_and_of_the_other_there_is_no_figure(pipeline, tower):
    found = metrics(pipeline)[tower]
    assert found.keys() == {tower, *TAKEN[tower]}
    assert found[tower].keys() == {"pytorch", "fp32", "int8w", "mixed", "npu"}
    assert found[tower]["fp32"]["cosine_min"] > 0.999999
    assert not {"accuracy", "top1_agreement"} & found[tower]["fp32"].keys()
    assert metrics(pipeline, "controls")[tower].keys() == found.keys()
    reason = {"absent": f"the checkpoint has no {OTHER[tower]} tower"}
    for graph in (OTHER[tower], "combined", "classifier"):
        file = pipeline / f"data/eval/{tower}.{graph}.fp32.json"
        assert json.loads(file.read_text("utf-8")).keys() == reason.keys()
    other = pipeline / f"data/eval/{tower}.{OTHER[tower]}.pytorch.json"
    assert json.loads(other.read_text("utf-8")) == reason
    assert f"{tower}.{OTHER[tower]}" not in (pipeline / "metrics/table.md").read_text("utf-8")


@pytest.mark.parametrize("tower", TOWERS)
def test_the_bundle_is_that_of_the_tower(pipeline, tower, capsys):
    bundle = pipeline / f"data/bundles/{tower}"
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    assert golden["tower"] == tower and "logit_scale" not in golden
    assert {file["graph"] for file in golden["files"].values()} == {tower, *TAKEN[tower]}
    config = json.loads((bundle / "config.json").read_text("utf-8"))
    names = {"visual": ("clip_vision_model", "Vision"), "textual": ("clip_text_model", "Text")}
    kind, part = names[tower]
    assert config["model_type"] == kind
    assert config["architectures"] == [f"CLIP{part}ModelWithProjection"]
    assert (bundle / "tokenizer.json").exists() == (tower == "textual")
    assert (bundle / "preprocessor_config.json").exists() == (tower == "visual")
    verify.report(bundle)
    assert capsys.readouterr().out.count(" ok\n") == len(golden["files"])


def test_its_config_is_read_by_transformers(pipeline):
    from transformers import AutoConfig

    for tower, width in {"visual": 128, "textual": 128}.items():
        config = AutoConfig.from_pretrained(pipeline / f"data/bundles/{tower}")
        assert config.hidden_size == width and config.projection_dim == 48


def test_clip_embeds_with_the_tower_that_there_is_and_says_which_is_not(pipeline):
    bundles = pipeline / "data/bundles"
    visual, textual = (Clip(bundles / tower, "int8w") for tower in TOWERS)
    images = visual.encode_image(np.zeros((8, 8, 3), np.uint8))
    texts = textual.encode_text("a cat")
    assert images.shape == texts.shape == (1, 48)
    told = "visual has no textual tower, for its checkpoint holds the visual one alone: take a"
    for ask in (
        lambda: visual.encode_text("a cat"),
        lambda: visual.classify(images, ["a", "b"]),
        lambda: visual.tokenizer,
        lambda: visual.bundle.logit_scale,
    ):
        with pytest.raises(command.Refusal, match=told):
            ask()
    told = "textual has no visual tower, for its checkpoint holds the textual one alone"
    for ask in (
        lambda: textual.encode_image([]),
        lambda: textual.classify(images, ["a", "b"]),
        lambda: textual.bundle.logit_scale,
    ):
        with pytest.raises(command.Refusal, match=told):
            ask()


def test_a_golden_json_of_a_tower_that_there_is_not_is_refused(pipeline, tmp_path):
    bundle = Path(shutil.copytree(pipeline / "data/bundles/visual", tmp_path / "bundle"))
    content = json.loads((bundle / "golden.json").read_text("utf-8")) | {"tower": "audio"}
    (bundle / "golden.json").write_text(json.dumps(content), "utf-8")
    for read in (Clip, verify.read):
        with pytest.raises(command.Refusal, match="names 'audio', which is no tower"):
            read(bundle)


def test_what_loops_over_towers_takes_those_that_there_are(pipeline):
    lines = list(build.summary(metrics(pipeline), "x"))
    assert sorted(line.split()[:2] for line in lines[:2]) == [[t, t] for t in sorted(TOWERS)]
    assert len(lines) == 2 + 3
    assert index.build(pipeline / "data/bundles", None, set()) == {"models": []}


def test_an_encoding_of_an_absent_tower_alone_is_refused(pipeline, monkeypatch, tmp_path):
    monkeypatch.chdir(pipeline)
    source = "data/patch/textual/visual/std"
    given = ["int8-static", "data/calibration/textual", "--visual", source, tmp_path / "output"]
    with pytest.raises(command.Refusal, match="has no visual tower: take the model out of grid.r"):
        small.run_stage("encode", *given)


def test_the_check_claims_nothing_that_takes_the_absent_tower(pipeline, monkeypatch, tmp_path):
    monkeypatch.chdir(pipeline)
    from clip_onnx.checkpoint import weights

    checkpoint, std = Path("data/checkpoints/visual"), "data/patch/visual"
    answer = {
        "name": "mine",
        "checkpoint_sha256": weights.sha256(checkpoint),
        "caption": "a cat",
        "text_embeds": [0.0],
        "tolerance": 1,
        "cosine_min": 0,
    }
    (tmp_path / "answers.json").write_text(json.dumps([answer]), "utf-8")
    given = [f"--{tower}={std}/{tower}/std" for tower in TOWERS]
    output = tmp_path / "compared.json"
    small.run_stage("check", *given, checkpoint, tmp_path / "answers.json", output)
    assert json.loads(output.read_text("utf-8")) == {}
