import collections
import json

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from clip_onnx import graphs
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from clip_onnx.measure.calibration import Calibration
from clip_onnx.settings import encodings
from stages.encode import rounding, schemes, weight_only


def tensors(path):
    model = onnx.load(path / graphs.FILE)
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}


@pytest.mark.parametrize("kind", ["vit", "rn"])
@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_fp16w_is_bit_exact_but_for_the_token_table(built, kind, tower):
    folder = built / f"data/models/{kind}/{tower}"
    exact, stored = tensors(folder / "fp32"), tensors(folder / "fp16w")
    halves = {name.removesuffix(".fp16"): a for name, a in stored.items() if a.dtype == np.float16}
    assert len(halves) >= 10
    for name, array in halves.items():
        if name != "token_embedding.weight":
            np.testing.assert_array_equal(array.astype(np.float32), exact[name], err_msg=name)
    metadata = sessions.session(folder / "fp16w").get_modelmeta().custom_metadata_map
    assert metadata["rounded"] == ("token_embedding.weight" if tower == "textual" else "")


@pytest.mark.parametrize("kind", ["vit", "rn"])
@pytest.mark.parametrize("encoding", ["fp16w", "int8w", "int4w"])
def test_every_weight_is_stored_small(built, kind, encoding):
    for tower in ("visual", "textual"):
        folder = built / f"data/models/{kind}/{tower}"
        large = {
            name: array.size
            for name, array in tensors(folder / encoding).items()
            if array.dtype == np.float32 and array.size > 128 * 24 and not name.endswith(".scale")
        }
        assert set(large) <= {"positional_embedding", "causal_mask"}


def optimized_operators(path, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(path / graphs.FILE, options)
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return collections.Counter(node.op_type for node in nodes)


@pytest.mark.parametrize("encoding", ["fp16w", "int8w", "int4w", "mixed"])
def test_runtime_folds_the_decoding_of_visual_files_away(built, encoding, tmp_path):
    folder = built / "data/models/vit/visual"
    exact = optimized_operators(folder / "fp32", tmp_path)
    assert optimized_operators(folder / encoding, tmp_path) == exact


UNPACKING = {"BitShift", "BitwiseAnd", "BitwiseOr", "Cast", "Concat", "Gather", "Mul", "Reshape"}


@pytest.mark.parametrize("encoding", ["fp16w", "int8w", "int4w", "mixed"])
def test_textual_files_add_the_unpacking_of_gathered_rows_alone(built, encoding, tmp_path):
    folder = built / "data/models/vit/textual"
    added = optimized_operators(folder / encoding, tmp_path)
    added.subtract(optimized_operators(folder / "fp32", tmp_path))
    assert {name for name, count in added.items() if count} <= UNPACKING
    assert added["MatMul"] == 0
    assert added["Gather"] <= 8  # one a stored array


@pytest.mark.parametrize("bits", range(3, 9))
@pytest.mark.parametrize("block", ["row", 16, 40])
@pytest.mark.parametrize("key", ["vit/visual", "vit/textual", "rn/visual"])
def test_every_width_and_block_decodes_in_the_runtime_as_it_was_meant(
    built, tmp_path, monkeypatch, key, block, bits
):
    """The file computes what the fp32 file with the rounded weights does."""
    source = built / f"data/models/{key}/fp32"
    encoding = encodings.WeightOnly(scheme="weight_only", bits=bits, block=block)
    rounded = {}

    def keep(matrix, *arguments):
        result = round_matrix(matrix, *arguments)
        rounded[matrix.tobytes()] = result.matrix()
        return result

    round_matrix = rounding.round_matrix
    monkeypatch.setattr(rounding, "round_matrix", keep)
    graphs.save(schemes.weight_only.encode(graphs.load(source), encoding), tmp_path)
    onnx.checker.check_model(tmp_path / graphs.FILE, full_check=True)
    expected = graphs.load(source)
    for weight in weight_only.weights(expected):
        array = rounded.get(weight.matrix().tobytes())
        if array is None:  # small ones are stored in half precision
            array = weight.matrix().astype(np.float16)
        stored = weight.arrange(array.astype(np.float32), None)
        weight.value.const_value = ir.tensor(np.ascontiguousarray(stored), name=weight.value.name)
    (tmp_path / "expected").mkdir()
    graphs.save(expected, tmp_path / "expected")
    rng = np.random.default_rng(0)
    if key.endswith("visual"):
        batches = [rng.normal(size=(4, 3, 64, 64)).astype("f")]
    else:
        batches = [np.array([[49406, 320, 2368, 49407]])]
    embeds = [sessions.run(sessions.session(p), batches) for p in (tmp_path / "expected", tmp_path)]
    np.testing.assert_allclose(*embeds, rtol=0, atol=1e-5 * np.abs(embeds[0]).max())


def test_tensors_may_have_widths_and_blocks_of_their_own(built):
    finer = {"bits": 4, "block": 16}
    tensors = {"token_embedding.weight": 8, "*.1.mlp.*": 16, "*positional_embedding": 16}
    tensors |= {"*.0.attn.in*": {"block": 16}, "*.0.attn.out*": finer}
    encoding = encodings.WeightOnly(scheme="weight_only", bits=3, block=32, tensors=tensors)
    model = schemes.weight_only.encode(
        graphs.load(built / "data/models/vit/textual/fp32"), encoding
    )
    names = set(model.graph.initializers)
    assert "token_embedding.weight.int8" in names
    assert "transformer.resblocks.0.mlp.c_fc.weight.T.int3.2" in names
    assert "transformer.resblocks.1.mlp.c_fc.weight.T.fp16" in names
    assert "positional_embedding.fp16" in names
    assert "positional_embedding" not in names
    assert "ln_final.weight" in names
    widths = json.loads(model.metadata_props["widths"])
    assert widths["token_embedding.weight"] == 8
    assert widths["positional_embedding"] == 16
    assert widths["transformer.resblocks.1.mlp.c_proj.weight.T"] == 16
    assert widths["transformer.resblocks.0.attn.in_proj_weight.T"] == 3
    assert widths["transformer.resblocks.0.attn.out_proj.weight.T"] == 4
    blocks = {"attn.in_proj_weight.T": 128 // 16, "attn.out_proj.weight.T": 128 // 16}
    blocks |= {"mlp.c_proj.weight.T": 512 // 32}
    for name, count in {f"transformer.resblocks.0.{n}": c for n, c in blocks.items()}.items():
        assert model.graph.initializers[f"{name}.subscale"].shape[0] == count


@pytest.mark.parametrize("key", ["vit/visual", "vit/textual", "rn/visual"])
def test_calibration_brings_a_file_closer(built, tmp_path, key):
    """On the evaluation split, whose sources calibration shares none of."""
    model, tower = key.split("/")
    source, reference = built / f"data/models/{key}/fp32", built / f"data/reference/{model}"
    index = inputs.index(reference)
    if tower == "visual":
        batches = [inputs.pixels(reference, inputs.rows_of(index, inputs.EVALUATION))]
    else:
        with inputs.reference(reference) as tensors:
            batches = [tensors.get_tensor("input_ids")[:200].astype(np.int64)]
    exact, distances = sessions.run(sessions.session(source), batches), []
    for split in (None, Calibration(built / f"data/calibration/{model}", tower)):
        encoding = encodings.WeightOnly(scheme="weight_only", bits=4, block=32)
        folder = tmp_path / str(split is None)
        folder.mkdir()
        graphs.save(schemes.weight_only.encode(graphs.load(source), encoding, split), folder)
        distances.append(parity.snr_db(exact, sessions.run(sessions.session(folder), batches)))
    assert distances[1] > distances[0] + 1


@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_no_cast_feeds_a_cast(tower, built):
    """ONNX Runtime up to 1.16 makes one of two, and reads int8 as uint8."""
    model = graphs.load(built / f"data/models/vit/{tower}/fp32")
    encoding = encodings.WeightOnly(scheme="weight_only", bits=5, block=32)
    casts = [n for n in schemes.weight_only.encode(model, encoding).graph if n.op_type == "Cast"]
    assert casts
    for node in casts:
        producer = node.inputs[0].producer()
        assert producer is None or producer.op_type != "Cast", node.name
