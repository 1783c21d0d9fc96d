import collections

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import graph, params, parity, runtime
from stages.schemes import weight_only


def decode(integers, scale, shape):
    return (integers.astype(np.float32) * scale.astype(np.float32)).reshape(shape)


@settings(max_examples=60)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 70),
    block=st.one_of(st.just("row"), st.integers(8, 64)),
    outputs_last=st.booleans(),
    size=st.floats(1e-7, 1e3),
)
def test_quantize_errs_by_half_a_step_at_most(rows, columns, block, outputs_last, size):
    rng = np.random.default_rng([rows, columns])
    shape = (columns, rows) if outputs_last else (rows, columns)
    array = (rng.normal(size=shape) * size).astype("f")
    integers, scale = weight_only.quantize(array, 8, block, outputs_last)
    decoded = decode(integers, scale, array.shape)
    # A step is scale; rounding the scale to fp16 may clip the largest weight by a little more.
    step = np.broadcast_to(scale.astype(np.float32), integers.shape).reshape(array.shape)
    assert (np.abs(decoded - array) <= 0.5 * step + np.abs(array) * 2.0**-9).all()
    assert np.abs(integers).max(initial=0) <= 127


@pytest.mark.parametrize(("row", "block", "length"), [(768, 64, 64), (588, 64, 49), (27, 8, 3)])
def test_block_length_divides_every_row(row, block, length):
    assert weight_only.block_length(row, block) == length


def test_zero_rows_stay_zero():
    integers, scale = weight_only.quantize(np.zeros((4, 8), np.float32), 8, "row", False)
    assert np.isfinite(scale).all()
    assert not integers.any()


def tensors(path):
    model = onnx.load(path / graph.FILE)
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
    metadata = runtime.session(folder / "fp16w").get_modelmeta().custom_metadata_map
    assert metadata["rounded"] == ("token_embedding.weight" if tower == "textual" else "")


@pytest.mark.parametrize("kind", ["vit", "rn"])
@pytest.mark.parametrize("encoding", ["fp16w", "int8w"])
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
    onnxruntime.InferenceSession(path / graph.FILE, options)
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return collections.Counter(node.op_type for node in nodes)


@pytest.mark.parametrize("encoding", ["fp16w", "int8w"])
def test_runtime_folds_the_decoding_of_visual_files_away(built, encoding, tmp_path):
    folder = built / "data/models/vit/visual"
    exact = optimized_operators(folder / "fp32", tmp_path)
    assert optimized_operators(folder / encoding, tmp_path) == exact


@pytest.mark.parametrize("block", ["row", 16, 64])
@pytest.mark.parametrize("key", ["vit/visual", "vit/textual", "rn/visual"])
def test_blocks_of_any_length_decode_in_the_runtime(built, tmp_path, key, block):
    source = built / f"data/models/{key}/fp32"
    encoding = params.WeightOnly(scheme="weight_only", bits=8, block=block)
    graph.save(weight_only.encode(graph.load(source), encoding), tmp_path)
    onnx.checker.check_model(tmp_path / graph.FILE, full_check=True)
    rng = np.random.default_rng(0)
    if key.endswith("visual"):
        batches = [rng.normal(size=(4, 3, 64, 64)).astype("f")]
    else:
        batches = [np.array([[49406, 320, 2368, 49407]])]
    exact = runtime.run(runtime.session(source), batches)
    cosine = parity.cosine(exact, runtime.run(runtime.session(tmp_path), batches))
    assert 0.99 < cosine.min() < 1
