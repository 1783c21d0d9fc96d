import numpy as np
import onnx
import pytest
from onnx import TensorProto

from clip_onnx import graphs


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_half_computes_in_fp16_and_speaks_fp32(built, kind):
    for tower in ("visual", "textual"):
        model = onnx.load(built / f"data/models/{kind}/{tower}/fp16" / graphs.FILE)
        types = {t.name: t.data_type for t in model.graph.initializer}
        weights = [t for name, t in types.items() if "mlp" in name or "conv" in name]
        assert weights
        assert set(weights) == {TensorProto.FLOAT16}
        ends = [*model.graph.input, *model.graph.output]
        kinds = {end.type.tensor_type.elem_type for end in ends}
        assert kinds <= {TensorProto.FLOAT, TensorProto.INT64}


def test_token_path_stays_integer(built):
    model = onnx.load(built / "data/models/vit/textual/fp16" / graphs.FILE)
    producers = {output: node for node in model.graph.node for output in node.output}
    (argmax,) = [node for node in model.graph.node if node.op_type == "ArgMax"]
    cast = producers[argmax.input[0]]
    assert cast.op_type == "Cast"
    assert cast.attribute[0].i == TensorProto.INT32
    assert cast.input[0] == "input_ids"


def test_norms_and_softmax_compute_in_fp32_and_the_mask_keeps_its_infinities(built):
    model = onnx.load(built / "data/models/vit/textual/fp16" / graphs.FILE)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    norms = [n for n in model.graph.node if n.op_type == "LayerNormalization"]
    assert len(norms) == 5
    producers = {output: node for node in model.graph.node for output in node.output}
    softmax = [n for n in model.graph.node if n.op_type == "Softmax"]
    for value in [name for node in norms + softmax for name in node.input]:
        assert producers[value].op_type == "Cast"
        assert producers[value].attribute[0].i == TensorProto.FLOAT
    mask = next(a for name, a in arrays.items() if "causal_mask" in name)
    assert np.isneginf(mask[0, 1:]).all()
