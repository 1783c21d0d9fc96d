import collections
import json

import numpy as np
import onnx
import onnxruntime
import pytest

from clip_onnx import absent, command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import inputs, parity
from clip_onnx.settings import encodings
from stages.encode import products, rounding, schemes, weight_only
from stages.encode.sensitivity import Sensitivity

import small

TOWERS = ["vit/visual", "vit/textual", "rn/textual"]


def encoding(**changes):
    given = {"scheme": "resident", "bits": 4, "block": 16, "accuracy_level": 0} | changes
    return encodings.Resident(**given)


def given_to(key):
    """Batches of a tower of the small models."""
    if key.endswith("visual"):
        return [np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype("f")]
    return [np.array([[49406, 320, 2368, 49407]])]


def saved(model, folder):
    folder.mkdir(exist_ok=True)
    graphs.save(model, folder)
    return folder


@pytest.mark.parametrize("change", [{"strides": [8, 16]}, {"pads": [1] * 4}, {"dilations": [2, 2]}])
def test_a_convolution_of_other_patches_stays(built, change):
    model = graphs.load(built / "data/models/vit/visual/fp32")
    (conv,) = (node for node in model.graph if node.op_type == "Conv")
    for name, lengths in change.items():
        conv.attributes.add(graphs.ir.AttrInt64s(name, lengths))
    assert operators(products.from_patches(model))["Conv"] == 1


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("accuracy", [0, 4])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("key", ["vit/visual", "vit/textual"])
def test_it_is_right_however_much_the_runtime_optimises(
    built, tmp_path, key, bits, accuracy, level
):
    source = built / f"data/models/{key}/fp32"
    wanted = encoding(bits=bits, accuracy_level=accuracy)
    file = saved(schemes.resident.encode(graphs.load(source), wanted), tmp_path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(file / graphs.FILE, options, ["CPUExecutionProvider"])
    exact = sessions.run(sessions.session(source), given_to(key))
    assert parity.cosine(exact, sessions.run(session, given_to(key))).min() > 0.95


def operators(model):
    return collections.Counter(node.op_type for node in model.graph)


def optimised(folder):
    """The operators of what ONNX Runtime runs of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(folder / graphs.FILE, options, ["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return collections.Counter(node.op_type for node in nodes)


def test_patches_are_a_product(built, tmp_path):
    patch = "vit/visual"
    source = built / f"data/models/{patch}/fp32"
    model = products.from_patches(graphs.load(source))
    assert not operators(model)["Conv"]
    ours = saved(model, tmp_path)
    onnx.checker.check_model(ours / graphs.FILE, full_check=True)
    embeds = [sessions.run(sessions.session(path), given_to(patch)) for path in (source, ours)]
    assert parity.cosine(*embeds).min() > 1 - 1e-6


@pytest.mark.parametrize("form", ["contrib", "standard"])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("key", TOWERS)
def test_the_file_computes_with_the_weights_that_were_rounded(
    built, tmp_path, monkeypatch, key, bits, form
):
    rounded = {}

    def keep(matrix, *arguments):
        rounded[np.ascontiguousarray(matrix).tobytes()] = result = round_matrix(matrix, *arguments)
        return result

    round_matrix = rounding.round_matrix
    monkeypatch.setattr(rounding, "round_matrix", keep)
    source = built / f"data/models/{key}/fp32"
    wanted = encoding(bits=bits, operators=form)
    ours = saved(schemes.resident.encode(graphs.load(source), wanted), tmp_path / "ours")
    expected = graphs.load(source)
    for weight in weight_only.weights(expected):
        result = rounded.get(np.ascontiguousarray(weight.matrix()).tobytes())
        matrix = weight.matrix().astype(np.float16) if result is None else result.matrix()
        stored = np.ascontiguousarray(weight.arrange(matrix.astype(np.float32), None))
        weight.value.const_value = graphs.ir.tensor(stored, name=weight.value.name)
    expected = saved(expected, tmp_path / "expected")
    embeds = [sessions.run(sessions.session(path), given_to(key)) for path in (expected, ours)]
    if form == "contrib":
        np.testing.assert_allclose(*embeds, rtol=0, atol=1e-5 * np.abs(embeds[0]).max())
    assert parity.cosine(*embeds).min() > 0.999  # ONNX Runtime rounds activations, too


@pytest.mark.parametrize("form", ["contrib", "standard"])
@pytest.mark.parametrize("key", TOWERS)
def test_no_weight_of_a_product_is_decoded_as_the_file_is_loaded(built, tmp_path, key, form):
    model = graphs.load(built / f"data/models/{key}/fp32")
    found = list(weight_only.weights(model))
    count = sum(not weight.is_table for weight in {*found} - {*weight_only.small(found)})
    kept = saved(schemes.resident.encode(model, encoding(operators=form)), tmp_path)
    assert optimised(kept)["MatMulNBits"] == count
    assert optimised(built / f"data/models/{key}/int4w")["MatMulNBits"] == 0


def test_what_no_block_divides_is_stored_in_8_bits(built):
    """The width is 128: 512 inputs of a feed-forward are two blocks, others have none."""
    model = schemes.resident.encode(
        graphs.load(built / "data/models/vit/visual/fp32"), encoding(block=256)
    )
    widths = json.loads(model.metadata_props["widths"])
    assert widths["transformer.resblocks.0.mlp.c_proj.weight.T"] == 4
    assert widths["transformer.resblocks.0.mlp.c_fc.weight.T"] == 8
    assert operators(model)["MatMulNBits"] == [*widths.values()].count(4)


def test_bits_and_blocks_are_spread_within_the_size(built, monkeypatch):
    monkeypatch.chdir(built)
    model = graphs.load(built / "data/patch/vit/visual/std")
    meaning = Sensitivity(small.sensitivity("vit"), "visual")
    uniform, spread, more = (
        graphs.weight_bytes(
            schemes.resident.encode(source, encoding(block=32, more=part), None, table)
        )
        for source, table, part in (
            (model.clone(), None, 0),
            (model.clone(), meaning, 0),
            (model, meaning, 0.1),
        )
    )
    widths = json.loads(model.metadata_props["widths"])
    assert {*widths.values()} == {4, 8}
    assert spread <= uniform * 1.01
    assert spread * 1.04 < more <= uniform * 1.11


def test_more_without_a_sensitivity_is_refused(built):
    model = graphs.load(built / "data/patch/vit/visual/std")
    with pytest.raises(command.Refusal, match="grid.encodings.by_sensitivity, or take `more` out"):
        schemes.resident.encode(model, encoding(more={"textual": 0.03}))


def test_a_resnets_picture_tower_is_not_made(built):
    model = graphs.load(built / "data/models/rn/visual/fp32")
    with pytest.raises(absent.Absent, match="convolutions have no weights that stay"):
        schemes.resident.encode(model, encoding())


def test_a_width_that_no_operator_has_is_refused_by_name(built):
    model = graphs.load(built / "data/models/vit/textual/fp32")
    wanted = encoding(tensors={"*c_fc*": 5})
    with pytest.raises(command.Refusal, match="c_fc.weight.T: 5 bits in blocks of 16 cannot"):
        schemes.resident.encode(model, wanted)


def test_fewer_bits_of_activations_cost_little(built, tmp_path):
    """accuracy_level 4 multiplies int8: at 4 bits what that adds is below what the weights' add."""
    reference = built / "data/reference/vit"
    rows = inputs.rows_of(inputs.index(reference), inputs.EVALUATION)
    batches = [inputs.pixels(reference, rows)]
    source = built / "data/models/vit/visual/fp32"
    exact = sessions.run(sessions.session(source), batches)
    found = []
    for level in (0, 4):
        model = schemes.resident.encode(graphs.load(source), encoding(accuracy_level=level))
        file = saved(model, tmp_path / str(level))
        found.append(parity.snr_db(exact, sessions.run(sessions.session(file), batches)))
    assert abs(found[0] - found[1]) < 2
