import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from clip_onnx import command, graphs
from clip_onnx.host import sessions, tokens
from clip_onnx.measure import parity

import small

CHAIN = """
import small
small.run_stage("export", "data/checkpoints/vit", "{{}}/export")
for tower in ("visual", "textual"):
    patched = f"{{}}/patch/{tower}"
    small.run_stage("patch", "std", f"--{tower}", f"{{}}/export/{tower}", patched)
    for encoding in ("fp32", "fp16", "int8w", "int4w", "int8-dynamic"):
        small.encode("vit", tower, encoding, f"{{}}/{encoding}/{tower}", patched)
"""


def test_export_to_encode_is_the_same_bytes_under_two_hash_seeds(built, tmp_path):
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f".:{small.ROOT}/tests"}
        program = CHAIN.replace("{{}}", str(tmp_path / seed))
        subprocess.run([sys.executable, "-c", program], cwd=built, env=environment, check=True)
    first = sorted((tmp_path / "1").rglob("*.onnx"))
    assert len(first) == 14
    for path in first:
        other = tmp_path / "2" / path.relative_to(tmp_path / "1")
        assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.parametrize("stage", ["export", "patch"])
@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_files_hold_no_paths_and_say_what_made_them(built, kind, stage):
    for tower in ("visual", "textual"):
        folder = built / f"data/{stage}/{kind}/{tower}" / ("std" if stage == "patch" else "")
        content = (folder / graphs.FILE).read_bytes()
        for trace in (b"site-packages", b"stages/", b"/tmp/", b"Traceback", b".py"):
            assert trace not in content
        metadata = {p.key: p.value for p in onnx.load(folder / graphs.FILE).metadata_props}
        assert len(metadata["checkpoint_sha256"]) == 64
        assert metadata["graph"] == tower
        assert metadata["pipeline_version"]


@pytest.mark.parametrize("encoding", small.ALL)
@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_an_empty_batch_of_texts_has_no_embeddings(built, kind, encoding):
    session = sessions.session(built / f"data/models/{kind}/textual/{encoding}")
    (embeds,) = session.run(None, {"input_ids": np.zeros((0, 77), np.int64)})
    assert embeds.shape == (0, small.KINDS[kind].embed_dim)


def operators(path):
    return [node.op_type for node in onnx.load(path / graphs.FILE).graph.node]


def test_patched_towers_have_one_node_a_norm_and_no_needless_shape_arithmetic(built):
    visual = operators(built / "data/patch/vit/visual/std")
    textual = operators(built / "data/patch/vit/textual/std")
    assert visual.count("LayerNormalization") == 2 * 2 + 2
    assert textual.count("LayerNormalization") == 2 * 2 + 1
    assert textual.count("Shape") == 1  # the text's length, which cuts the mask
    assert visual.count("Shape") == 1  # the batch, which repeats the class token
    for name in ("Range", "Where", "Identity", "Constant", "Gemm", "Pow", "Einsum"):
        assert name not in visual + textual
    resnet = operators(built / "data/patch/rn/visual/std")
    assert "Shape" not in resnet
    assert resnet.count("BatchNormalization") == resnet.count("Conv")


def test_shapes_are_dynamic_and_named_as_promised(built):
    for tower, shape in {"visual": ["batch", 3, 64, 64], "textual": ["batch", "sequence"]}.items():
        session = sessions.session(built / f"data/patch/vit/{tower}/std")
        assert session.get_inputs()[0].shape == shape
        assert session.get_outputs()[0].shape == ["batch", 48]
    assert session.get_inputs()[0].name == "input_ids"
    assert session.get_outputs()[0].name == "text_embeds"


LEAST = {
    "fp32": 0.9999995,
    "fp16": 0.9999,
    "fp16w": 0.99999,
    "int8w": 0.999,
    "int4w": 0.9,
    "int8-dynamic": 0.99,
}


@pytest.mark.parametrize("encoding", LEAST)
def test_every_padding_gives_the_references_embedding(built, encoding):
    """Half precision cannot tell EOT from the start token: its path must stay integer."""
    tower = sessions.session(built / f"data/models/vit/textual/{encoding}")
    reference = load_file(built / "data/reference/vit/reference.safetensors")
    rows = [row[: row.argmax() + 1].tolist() for row in reference["input_ids"][::9]]
    assert len({len(row) for row in rows}) > 5
    for row, expected in zip(rows, reference["text_embeds"][::9], strict=True):
        for padding, length in ((0, None), (0, 77), (49407, 77)):
            embeds = sessions.run(tower, [tokens.pad([row], padding, length)])
            assert parity.cosine(expected[None], embeds)[0] > LEAST[encoding], (row, padding)


def test_text_longer_than_77_is_refused_by_the_graph(built):
    tower = sessions.session(built / "data/patch/vit/textual/std")
    with pytest.raises(Exception, match="77"):
        sessions.run(tower, [np.ones((1, 78), np.int64)])


def test_export_refuses_a_tensor_of_another_shape(built, tmp_path, monkeypatch):
    monkeypatch.chdir(built)
    state = load_file("data/checkpoints/vit/weights.safetensors")
    state["visual.ln_post.weight"] = np.ones(3, np.float32)
    save_file(state, tmp_path / "weights.safetensors", metadata={"sha256": "0" * 64})
    with pytest.raises(command.Refusal, match="visual.ln_post.weight"):
        small.run_stage("export", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
