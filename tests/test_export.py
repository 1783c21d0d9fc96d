import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from stages import command, graph, parity, runtime, tokens

import small

CHAIN = """
import small
for tower in ("visual", "textual"):
    small.run_stage("export", "data/checkpoints/vit", tower, f"{{}}/export/{tower}")
    small.run_stage("patch", f"{{}}/export/{tower}", "std", f"{{}}/patch/{tower}")
    small.run_stage("convert", f"{{}}/patch/{tower}", "fp32", f"{{}}/fp32/{tower}")
    small.run_stage("convert", f"{{}}/patch/{tower}", "fp16", f"{{}}/fp16/{tower}")
    for encoding in ("int8w", "int4w", "int8-dynamic"):
        small.quantize("vit", tower, encoding, f"{{}}/{encoding}/{tower}", f"{{}}/fp32/{tower}")
"""


def test_export_to_quantize_is_the_same_bytes_under_two_hash_seeds(built, tmp_path):
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
        content = (folder / graph.FILE).read_bytes()
        for trace in (b"site-packages", b"stages/", b"/tmp/", b"Traceback", b".py"):
            assert trace not in content
        metadata = {p.key: p.value for p in onnx.load(folder / graph.FILE).metadata_props}
        assert len(metadata["checkpoint_sha256"]) == 64
        assert metadata["graph"] == tower
        assert metadata["pipeline_version"]


def operators(path):
    return [node.op_type for node in onnx.load(path / graph.FILE).graph.node]


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
        session = runtime.session(built / f"data/patch/vit/{tower}/std")
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
    tower = runtime.session(built / f"data/models/vit/textual/{encoding}")
    reference = load_file(built / "data/reference/vit/reference.safetensors")
    rows = [row[: row.argmax() + 1].tolist() for row in reference["input_ids"][::9]]
    assert len({len(row) for row in rows}) > 5
    for row, expected in zip(rows, reference["text_embeds"][::9], strict=True):
        for padding, length in ((0, None), (0, 77), (49407, 77)):
            embeds = runtime.run(tower, [tokens.pad([row], padding, length)])
            assert parity.cosine(expected[None], embeds)[0] > LEAST[encoding], (row, padding)


def test_text_longer_than_77_is_refused_by_the_graph(built):
    tower = runtime.session(built / "data/patch/vit/textual/std")
    with pytest.raises(Exception, match="77"):
        runtime.run(tower, [np.ones((1, 78), np.int64)])


def test_export_refuses_a_tensor_of_another_shape(built, tmp_path, monkeypatch):
    monkeypatch.chdir(built)
    state = load_file("data/checkpoints/vit/weights.safetensors")
    state["visual.ln_post.weight"] = np.ones(3, np.float32)
    save_file(state, tmp_path / "weights.safetensors", metadata={"sha256": "0" * 64})
    with pytest.raises(command.Refusal, match="visual.ln_post.weight"):
        small.run_stage("export", tmp_path, "visual", tmp_path / "out")
    assert not (tmp_path / "out").exists()
