"""What ONNX Runtime makes of the std towers when it loads them, by its default optimisations."""

import collections

import onnx
import onnxruntime
import pytest

from clip_onnx import graphs

BLOCK = {
    "Norm": 2,
    "Product": 6,  # in-projection, scores, values, out-projection, and two of the feed-forward
    "Softmax": 1,
    "QuickGelu": 1,
    "Split": 1,
    "Reshape": 4,
    "Transpose": 4,
    "Add": 6,  # four biases, two residuals
}
FORMS = {  # operators that are one thing
    "LayerNormalization": "Norm",
    "SkipLayerNormalization": "Norm",
    "MatMul": "Product",
    "FusedMatMul": "Product",
    "Gemm": "Product",
}
AROUND = {  # blocks, and what stands before and after them
    "tiny-vit/visual": (4, {"Norm": 2, "Product": 1, "Reshape": 1, "Transpose": 1, "Add": 1}),
    # and the blocks' masks, and the end token's place
    "tiny-vit/textual": (3, {"Norm": 1, "Product": 1, "Add": 1 + 3, "Reshape": 1}),
    "tiny-rn/textual": (3, {"Norm": 1, "Product": 1, "Add": 1 + 3, "Reshape": 1}),
}


def optimised(directory, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(directory / graphs.FILE, options, ["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node
    return collections.Counter(FORMS.get(node.op_type, node.op_type) for node in nodes)


@pytest.mark.parametrize("name", AROUND)
def test_transformer_blocks_hold_nothing_but_their_arithmetic(tiny, tmp_path, name):
    found = optimised(tiny / "data/patch" / name / "std", tmp_path)
    blocks, around = AROUND[name]
    for operator, count in BLOCK.items():
        assert found[operator] <= blocks * count + around.get(operator, 0), operator
    assert not {"Mul", "Sigmoid", "Sub", "Div", "ReduceMean", "Pow", "Sqrt"} & set(found)
    if name.endswith("textual"):
        places = {"Gather", "GatherND", "ArgMax", "Cast", "Shape", "Concat", "Slice", "Unsqueeze"}
        assert set(found) <= set(BLOCK) | places


def test_resnet_is_convolutions_with_everything_fused_into_them(tiny, tmp_path):
    found = optimised(tiny / "data/patch/tiny-rn/visual/std", tmp_path)
    assert sum(count for name, count in found.items() if name.endswith("Conv")) == 22
    assert not {"BatchNormalization", "Mul", "Div", "Sqrt"} & set(found)
    assert found["Product"] == 6
    assert found["AveragePool"] == 7
