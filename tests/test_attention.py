import collections

import numpy as np
import onnx
import pytest

from clip_onnx import command, graphs
from clip_onnx.host import sessions
from clip_onnx.measure import parity
from clip_onnx.settings import encodings
from stages.encode import attention, schemes

TOWERS = ["vit/visual", "vit/textual", "rn/visual", "rn/textual"]
FUSED = encodings.Half(scheme="half", fused=True)


def given_to(key):
    if key.endswith("visual"):
        return [np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("f")]
    return [np.array([[49406, 320, 2368, 550, 49407], [49406, 7, 49407, 0, 0]])]


def embeds(model, folder, key):
    folder.mkdir(exist_ok=True)
    graphs.save(model, folder)
    onnx.checker.check_model(folder / graphs.FILE)
    return sessions.run(sessions.session(folder), given_to(key))


def operators(model):
    return collections.Counter(node.op_type for node in model.graph)


@pytest.mark.parametrize("key", TOWERS)
def test_every_attention_becomes_one_operator_that_computes_the_same(built, tmp_path, key):
    source = built / f"data/models/{key}/fp32"
    model = attention.fuse(graphs.load(source))
    before, after = operators(graphs.load(source)), operators(model)
    pooled = after["MultiHeadAttention"]  # a ResNet's, whose query is one of the keys' inputs
    assert pooled == (key == "rn/visual")
    assert after["Attention"] + pooled == before["Softmax"] > 0
    assert before["MatMul"] - after["MatMul"] == 2 * before["Softmax"] + after["Attention"]
    exact = sessions.run(sessions.session(source), given_to(key))
    assert parity.cosine(exact, embeds(model, tmp_path, key)).min() > 1 - 1e-6


@pytest.mark.parametrize("key", ["vit/textual", "rn/textual"])
def test_the_causal_mask_is_an_attribute(built, key):
    model = attention.fuse(graphs.load(built / f"data/models/{key}/fp32"))
    fused = [node for node in model.graph if node.op_type == "Attention"]
    assert fused and all(node.attributes["unidirectional"].as_int() == 1 for node in fused)
    assert not any("causal_mask" in name for name in model.graph.initializers)


@pytest.mark.parametrize("key", TOWERS)
def test_the_encoding_is_in_half_precision_throughout(built, tmp_path, key):
    source = built / f"data/models/{key}/fp32"
    model = schemes.half.encode(graphs.load(source), FUSED)
    exact = sessions.run(sessions.session(source), given_to(key))
    assert parity.cosine(exact, embeds(model, tmp_path, key)).min() > 0.99999
    for node in model.graph:
        readers = {reader.op_type for reader in node.outputs[0].consumers()}
        if node.op_type == "Cast" and readers != {"ArgMax"}:
            assert node.inputs[0].is_graph_input() or node.outputs[0].is_graph_output()
    weights = {v.dtype for v in model.graph.initializers.values() if v.dtype.is_floating_point()}
    assert weights == {graphs.ir.DataType.FLOAT16}


def test_another_mask_is_refused(built):
    model = graphs.load(built / "data/models/vit/textual/fp32")
    mask = next(v for name, v in model.graph.initializers.items() if "causal_mask" in name)
    values = graphs.array(mask.const_value)
    values[0, 1] = 0
    mask.const_value = graphs.ir.tensor(values, name=mask.name)
    with pytest.raises(command.Refusal, match="of another form than MultiHeadAttention's"):
        attention.fuse(model)


def test_the_end_of_a_text_is_found_in_fp32_where_neighbouring_ids_differ(built):
    model = schemes.half.encode(graphs.load(built / "data/models/vit/textual/fp32"), FUSED)
    (argmax,) = [node for node in model.graph if node.op_type == "ArgMax"]
    cast = argmax.inputs[0].producer()
    assert cast.op_type == "Cast" and cast.attributes["to"].as_int() == graphs.ir.DataType.FLOAT
    assert np.float32(49406) != np.float32(49407) and np.float16(49406) == np.float16(49407)
