"""Checkpoints of other networks than OpenAI's, against the packages that define them."""

import collections
import json
import shutil
import sys
import tempfile
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime
import open_clip
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from clip_onnx import absent, command, graphs
from clip_onnx.checkpoint import architecture, network
from clip_onnx.host import layout, sessions
from clip_onnx.measure import parity
from clip_onnx.names import NETWORK, TOWERS
from clip_onnx.openai import models, passes
from stages.download.hugging_face import ACTIVATIONS

import small

LEAST = 0.9999999
NEAR = 1e-5  # of the largest number: GELU by tanh is further from GELU, though its cosine is not
FEW = settings(max_examples=4, suppress_health_check=[*HealthCheck])
heads = st.tuples(st.sampled_from([8, 20, 44, 64]), st.integers(1, 3))  # their width, their number
eps = st.sampled_from([1e-5, 1e-6, 1e-3])
contexts = st.sampled_from([77, 16, 32, 248])


@st.composite
def open_clips(draw):
    config = {"embed_dim": 24, "quick_gelu": draw(st.booleans())}
    for name in ("vision_cfg", "text_cfg"):
        width, number = draw(heads)
        section = {"width": width * number, "layers": draw(st.integers(1, 2))}
        section["mlp_ratio"] = draw(st.sampled_from([4.0, 1.5, 4.9231]))
        section["norm_kwargs"] = {"eps": draw(eps)}
        if not config["quick_gelu"] and draw(st.booleans()):
            section["act_kwargs"] = {"approximate": "tanh"}
        section["ls_init_value"] = draw(st.sampled_from([None, 0.5]))
        if name == "vision_cfg":
            section |= {"head_width": width, "patch_size": 16, "image_size": 32}
            section["no_ln_pre"] = draw(st.booleans())
            section["pool_type"] = draw(st.sampled_from(["tok", "avg"]))
            section["final_ln_after_pool"] = draw(st.booleans())
        else:
            section |= {"heads": number, "context_length": draw(contexts)}
        config[name] = section
    return config


@st.composite
def hugging_faces(draw):
    config = {"projection_dim": 24}
    for name in ("vision_config", "text_config"):
        width, number = draw(heads)
        config[name] = {
            "hidden_size": width * number,
            "num_attention_heads": number,
            "num_hidden_layers": draw(st.integers(1, 2)),
            "intermediate_size": draw(st.sampled_from([48, 100, 4 * width * number])),
            "layer_norm_eps": draw(eps),
            "hidden_act": draw(st.sampled_from([*ACTIVATIONS])),
            "projection_dim": 24,
        }
    config["vision_config"] |= {"image_size": 32, "patch_size": 16}
    config["text_config"]["eos_token_id"] = draw(st.sampled_from([2, 49407]))
    config["text_config"]["max_position_embeddings"] = draw(contexts)
    return config


def far(embeds, expected):
    """The largest difference, as a part of the largest number."""
    return np.abs(embeds - expected).max() / np.abs(expected).max()


def check_parity(family, config, folder):
    """That reference and graphs of a network are what its package computes of the same inputs."""
    model = networks.SAVE[family](config, folder / "saved")
    checkpoint = networks.store(folder / "saved", folder / "checkpoint")
    text = config.get("text_cfg") or config["text_config"]
    context = text.get("context_length") or text["max_position_embeddings"]
    inputs = networks.inputs(context=context)
    expected, built = networks.own(model, inputs), networks.export(checkpoint, folder)
    for tower in TOWERS:
        exact = models.embed(checkpoint, tower, [inputs[tower]]).numpy()
        assert far(exact, expected[tower]) < NEAR
        for embeds in networks.embeddings(built[tower], tower, inputs[tower]):
            assert far(embeds, exact) < NEAR
            for theirs in (expected[tower], exact):
                assert parity.cosine(theirs, embeds).min() >= LEAST


def checked(family, config):
    with tempfile.TemporaryDirectory() as folder:
        check_parity(family, config, Path(folder))


@FEW
@given(open_clips())
def test_open_clips_networks(config):
    checked("open_clip", config)


@FEW
@given(hugging_faces())
def test_transformers_networks(config):
    checked("huggingface", config)


@pytest.mark.parametrize("by", ["folder", "name"])
@pytest.mark.parametrize("name", ["ViT-S-32-alt", "ViT-M-16-alt"])
def test_a_network_of_open_clips_registry_is_known_by_folder_or_name(name, by, tmp_path):
    config = open_clip.get_model_config(name)
    model = networks.save_open_clip(config, tmp_path / "saved")
    if by == "name":
        (tmp_path / "saved/open_clip_config.json").unlink()
    stated = (None, name) if by == "name" else ()
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint", *stated)
    given = networks.inputs(side=config["vision_cfg"]["image_size"])
    expected = networks.own(model, given)
    for tower in TOWERS:
        exact = models.embed(checkpoint, tower, [given[tower]]).numpy()
        assert far(exact, expected[tower]) < NEAR


@pytest.fixture(scope="module", params=["open_clip", "huggingface"])
def built(request, tmp_path_factory):
    """(family, a folder: `saved` by its package, its `checkpoint`, `export` and `std`)."""
    folder = tmp_path_factory.mktemp(request.param)
    networks.SAVE[request.param](networks.CONFIG[request.param], folder / "saved")
    networks.store(folder / "saved", folder / "checkpoint")
    networks.export(folder / "checkpoint", folder)
    return request.param, folder


def test_what_is_kept_says_whose_network_it_is(built):
    family, folder = built
    found = network.read(folder / "checkpoint")
    assert found.family == family
    assert found.visual.activation == "gelu" and found.visual.head_width == 12
    assert architecture.of(folder / "checkpoint").visual == found.visual


def test_another_activation_is_another_function(built):
    """The bound on differences tells networks apart that differ in it alone."""
    _, folder = built
    given = networks.inputs()
    before = {t: models.embed(folder / "checkpoint", t, [given[t]]) for t in TOWERS}
    found = network.read(folder / "checkpoint")
    text = json.dumps(found.configuration).replace('"gelu"', '"quick_gelu"')
    text = text.replace('"gelu_new"', '"gelu"').replace('"quick_gelu": false', '"quick_gelu": true')
    other = shutil.copytree(folder / "checkpoint", folder / "other", dirs_exist_ok=True)
    network.write(other, found._replace(configuration=json.loads(text)))
    for tower in TOWERS:
        after = models.embed(other, tower, [given[tower]]).numpy()
        assert far(after, before[tower].numpy()) > 2 * NEAR


def test_onnxruntime_makes_one_operator_of_gelu(built, tmp_path):
    family, folder = built
    tanh = {"open_clip": (), "huggingface": ("textual",)}[family]
    for tower in TOWERS:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{tower}.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(folder / "std" / tower / graphs.FILE), options)
        nodes = onnx.load(tmp_path / f"{tower}.onnx", load_external_data=False).graph.node
        found = collections.Counter(node.op_type for node in nodes)
        assert not {"Erf", "Tanh", "Div"} & found.keys()
        assert found["FastGelu" if tower in tanh else "BiasGelu"] == 2


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("profile", ["onnxjs", "npu"])
def test_profiles_have_gelu_as_their_runtimes_compute_it(built, tmp_path, profile, tower):
    _, folder = built
    small.run_stage("patch", profile, f"--{tower}", folder / "export" / tower, tmp_path / "out")
    given = networks.inputs()[tower]
    expected = models.embed(folder / "checkpoint", tower, [given]).numpy()
    session, projection = (
        read(tmp_path / "out") for read in (sessions.session, sessions.projection)
    )
    batch, length = sessions.fixed_axes(session)
    if tower == "visual":
        settings = sessions.picture_settings(np.arange(len(given)), batch)
        settings = [(given.numpy()[rows] for rows in each) for each in settings]
    else:
        rows = [row[: row.argmax() + 1].tolist() for row in given.numpy()]
        settings = sessions.text_settings(rows, 77, batch, length)
    for batches in settings:
        embeds = sessions.run(session, batches, projection)
        assert parity.cosine(expected, embeds).min() > LEAST


def test_a_profile_without_the_operators_of_gelu_says_so(built, tmp_path, capsys, monkeypatch):
    _, folder = built
    content = small.tiny_params()
    content["profiles"]["npu"]["operators"].remove("Erf")
    small.write_params(tmp_path, content)
    monkeypatch.chdir(tmp_path)
    small.run_stage("patch", "npu", "--visual", folder / "export/visual", tmp_path / "out")
    reason = "the profile's operators have no Erf, of which the tower's GELU is made"
    assert absent.why(tmp_path / "out") == reason
    assert f"{reason}; nothing is built there" in capsys.readouterr().out


def test_a_missing_package_is_named_in_a_line(built, monkeypatch):
    family, folder = built
    module = {"open_clip": "open_clip.model", "huggingface": "transformers"}[family]
    package = {"open_clip": "open_clip_torch", "huggingface": "transformers"}[family]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(command.Refusal, match=f"run `pip install {package}`"):
        models.load_tower(folder / "checkpoint", "visual")


def test_weights_of_broken_networks_are_named_by_their_code(built, tmp_path):
    family, folder = built
    shutil.copytree(folder / "checkpoint", tmp_path / "broken")
    state = networks.weights_of(tmp_path / "broken")
    state["visual.ln_post.weight"] = state["visual.ln_post.weight"] * 1e38
    save_file(state, tmp_path / "broken/weights.safetensors", metadata={"sha256": "0" * 64})
    code = {"open_clip": "open_clip", "huggingface": "transformers"}[family]
    with pytest.raises(command.Refusal, match=f"{code} gives no finite embedding of . of 3 inputs"):
        models.embed(tmp_path / "broken", "visual", [1e30 * networks.inputs()["visual"]])


def test_towers_and_packages_agree_to_float64s_last_digits(built):
    """No number of either is rounded on the way, also where blocks hold weights as stored."""
    _, folder = built
    checkpoint = folder / "checkpoint"
    for tower, batch in networks.inputs().items():
        model = models.load_tower(checkpoint, tower, torch.float64, block_by_block=True)
        encode = model.encode_image if tower == "visual" else model.encode_text
        with torch.inference_mode():
            theirs = encode(batch).numpy()
        sizes = architecture.of(checkpoint)
        ours = passes.of_checkpoint(checkpoint, sizes, tower).embed([batch.numpy()])
        assert theirs.dtype == np.float64
        assert far(ours, theirs) < 1e-13


def test_bundles_describe_the_network_as_transformers_does(built):
    from transformers import CLIPConfig

    family, folder = built
    sizes = architecture.of(folder / "checkpoint")
    config = CLIPConfig(**layout.configuration(sizes)["config.json"])
    assert config.vision_config.hidden_act == "gelu"
    assert config.vision_config.num_attention_heads == 4
    if family == "huggingface":
        assert config.text_config.hidden_act == "gelu_pytorch_tanh"
        assert config.text_config.layer_norm_eps == 1e-6
        assert config.text_config.intermediate_size == 100


def test_weights_alone_with_gelu_are_open_clips(tmp_path):
    config = networks.OPEN_CLIP | {
        "vision_cfg": networks.OPEN_CLIP["vision_cfg"] | {"width": 128, "head_width": 64},
        "text_cfg": networks.OPEN_CLIP["text_cfg"] | {"width": 64, "heads": 1},
    }
    model = networks.save_open_clip(config, tmp_path / "saved")
    (tmp_path / "saved/open_clip_config.json").unlink()
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint", "gelu")
    given = networks.inputs()
    for tower, theirs in networks.own(model, given).items():
        ours = models.embed(checkpoint, tower, [given[tower]]).numpy()
        assert parity.cosine(ours, theirs).min() >= LEAST


@pytest.mark.parametrize("tower", TOWERS)
def test_one_tower_of_transformers(tmp_path, tower):
    import transformers

    section = networks.HUGGING_FACE[f"{'vision' if tower == 'visual' else 'text'}_config"]
    kind = getattr(transformers, layout.CLASSES[tower])
    model = networks.fill(kind(kind.config_class(**section)))
    model.save_pretrained(tmp_path / "saved")
    checkpoint = networks.store(tmp_path / "saved", tmp_path / "checkpoint")
    given = networks.inputs()[tower]
    with torch.inference_mode():
        theirs = model(given)[f"{'image' if tower == 'visual' else 'text'}_embeds"].numpy()
    assert far(models.embed(checkpoint, tower, [given]).numpy(), theirs) < NEAR


def test_the_shipped_checkpoints_are_openais():
    for model in small.TINY:
        checkpoint = small.ROOT / "data/checkpoints" / model
        if checkpoint.exists():
            assert not (checkpoint / NETWORK).exists()
            assert network.read(checkpoint) == network.Network()
