"""Models that read more tokens than OpenAI's 77, or fewer, from their files to their bundles."""

import json

import networks
import numpy as np
import one_tower
import pytest
from safetensors.numpy import load_file

from clip_onnx import Clip, command, optimise, verify
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import parity

import small

CONTEXTS = {"long": 131, "short": 32}  # whose mask is larger than ONNX Runtime's small weights
LONG = "a small blue triangle under a large grey star, and " * 10  # 112 tokens
WORST = 0.999999


def save(name, folder):
    """A checkpoint as one of the two packages saves it."""
    if name == "long":
        text = networks.HUGGING_FACE["text_config"] | {"max_position_embeddings": CONTEXTS[name]}
        networks.save_hugging_face(networks.HUGGING_FACE | {"text_config": text}, folder)
        return folder / "model.safetensors"
    text = networks.OPEN_CLIP["text_cfg"] | {"context_length": CONTEXTS[name]}
    networks.save_open_clip(networks.OPEN_CLIP | {"text_cfg": text}, folder)
    return folder / "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def pipeline(once):
    """A project folder in which every stage of dvc.yaml has run for both models."""

    def make(folder):
        content = small.params({name: save(name, folder / name) for name in CONTEXTS})
        content["grid"] |= {"profiles": ["npu"], "composed": ["fp32"]}
        content["grid"]["products"] = ["combined", "classifier"]
        content["grid"]["encodings"] = {
            "plain": ["fp32"],
            "by_sensitivity": ["int8w"],
            "resnets": [],
        }
        small.set_up(folder, content)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            one_tower.run_pipeline()

    return once("contexts", make)


def reference(pipeline, name):
    return load_file(pipeline / f"data/reference/{name}/reference.safetensors")


@pytest.mark.parametrize("name", CONTEXTS)
def test_every_file_is_as_close_as_of_77_tokens(pipeline, name):
    found = json.loads((pipeline / "metrics/parity.json").read_text("utf-8"))[name]["textual"]
    assert min(found[variant]["cosine_min"] for variant in ("pytorch", "fp32", "npu")) > WORST
    assert found["int8w"]["cosine_min"] > 0.99


def test_texts_of_every_length_are_measured(pipeline):
    ids = reference(pipeline, "long")["input_ids"]
    lengths = ids.argmax(1) + 1
    assert ids.shape[1] == lengths.max() == 131
    assert ((lengths > 77) & (lengths < 131)).any()
    assert reference(pipeline, "short")["input_ids"].shape[1] == 32
    scrambled = load_file(pipeline / "data/calibration/long/textual/tower.safetensors")["scrambled"]
    assert (scrambled.argmax(1) > 100).any()


def test_a_profile_of_a_fixed_length_takes_no_more_than_the_model_reads(pipeline):
    for name, length in {"long": 77, "short": 32}.items():
        session = sessions.session(pipeline / f"data/models/{name}/textual/npu")
        assert session.get_inputs()[0].shape[1] == length
        assert session.get_modelmeta().custom_metadata_map["length"] == str(length)


@pytest.mark.parametrize(("name", "context"), CONTEXTS.items())
def test_the_bundle_says_how_much_is_read(pipeline, name, context, capsys):
    bundle = pipeline / f"data/bundles/{name}"
    config = json.loads((bundle / "config.json").read_text("utf-8"))
    assert config["text_config"]["max_position_embeddings"] == context
    tokenizer = json.loads((bundle / "tokenizer_config.json").read_text("utf-8"))
    assert tokenizer["model_max_length"] == context
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    assert max(len(text["input_ids"]) for text in golden["texts"]) == context
    verify.report(bundle)
    assert capsys.readouterr().out.count(" ok\n") == len(golden["files"])


def test_clip_reads_as_much_and_no_more(pipeline):
    long, short = (Clip(pipeline / f"data/bundles/{name}") for name in CONTEXTS)
    row = tokens.encode(long.tokenizer, [LONG])[0]
    session = sessions.session(pipeline / "data/models/long/textual/fp32")
    expected = parity.normalized(sessions.run(session, [tokens.pad([row])]))
    assert len(row) > 100
    np.testing.assert_allclose(long.encode_text(LONG), expected, atol=1e-6)
    with pytest.raises(command.Refusal, match=f"is {len(row)} tokens, not 32: shorten it"):
        short.encode_text(LONG)
    cut = short.encode_text(LONG, truncate=True)
    np.testing.assert_allclose(np.linalg.norm(cut), 1, atol=1e-5)
    with pytest.raises(command.Refusal, match="tokens, not 131"):
        long.encode_text(LONG * 2)


def test_a_mask_of_any_size_stays_in_an_optimised_graph(pipeline, tmp_path):
    optimise.optimise(pipeline / "data/bundles/long", tmp_path / "here", "int8w")
    found, expected = (
        Clip(folder, "int8w").encode_text(LONG)
        for folder in (tmp_path / "here", pipeline / "data/bundles/long")
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
