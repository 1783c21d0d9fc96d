"""CLIP's picture preparation as a graph: a picture of any size in, `pixel_values` out.

`image` uint8 [height, width, 3] (RGB, as pictures are decoded) -> float32 [1, 3, side, side].

What torchvision does to a PIL picture (clip_onnx/host/pictures.py), bit for bit in ONNX Runtime.
Only the pixels that the crop keeps are computed, so that a long and thin picture costs no more
than another.
"""

import json

import numpy as np
import onnx_ir as ir
from onnxscript import build_graph

from clip_onnx import absent, command, graphs
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import preparation
from stages.compose.resampling import kernel, resample

FIRST_OPSET = 15  # Shape of some axes
# Of the input, for hosts, in the metadata of every graph that begins with this one.
WANTED = (
    "uint8 [height, width, 3], RGB, alpha dropped and not blended. OpenAI's transform resizes"
    " before it converts to RGB: resize and crop a picture with alpha or a palette in its own mode,"
    " as Pillow does, and give the result"
)


def make(product, given):
    sizes = architecture.of(given.checkpoint)
    if "visual" not in sizes.towers:
        raise absent.tower("visual")
    model = build(sizes.resolution, wanted=preparation.read(given.checkpoint))
    graphs.describe(
        model,
        checkpoint_sha256=weights.sha256(given.checkpoint),
        pipeline_version=graphs.pipeline_version(),
        variant="fp32",
    )
    return model


def build(side, opset=graphs.OPSET, wanted=preparation.OPENAI):
    """The graph for towers that see `side` x `side` pixels. Raises Refusal below opset 15."""
    if opset < FIRST_OPSET:
        raise command.Refusal(
            f"pictures cannot be prepared in opset {opset}: build for {FIRST_OPSET} or later"
        )
    built = build_graph(
        lambda op, image: pixel_values(op, image, side, wanted),
        inputs=[ir.val("image", ir.DataType.UINT8, ["height", "width", 3])],
        outputs=[ir.val("pixel_values", ir.DataType.FLOAT, [1, 3, side, side])],
        opset_imports={"": opset},
        name="main_graph",
    )
    for node in built.all_nodes():
        node.metadata_props.clear()  # the builder's notes; those in subgraphs would be saved
    model = ir.Model(built, ir_version=graphs.ir_version(built.opset_imports))
    stated = preparation.description(side, wanted)
    graphs.describe(model, graph="preprocess", preprocessing=stated, image=WANTED)
    return model


def described(tower):
    """(side, Preparation) of the pictures that a visual tower sees."""
    try:
        return preparation.described(json.loads(tower.metadata_props.get("preprocessing", "{}")))
    except ValueError:
        raise command.Refusal(
            f"the {tower.metadata_props.get('graph', 'unnamed')} graph does not say that it takes"
            " CLIP's pictures: give a visual tower"
        ) from None


def pixel_values(op, image, side, wanted):
    """The graph's nodes."""
    before = op.Shape(image, start=0, end=2)
    if wanted.resize == "squash":
        after = op.Constant(value_ints=[side, side])
    elif wanted.resize == "longest":
        after = _fitted(op, before, side)
    else:
        after = op.Div(op.Mul(before, side), op.ReduceMin(before, keepdims=1))
    filled = wanted.resize == "longest"
    if filled:
        start = op.Neg(op.Div(op.Sub(side, after), 2))
    else:
        margin = op.Cast(op.Sub(after, side), to=ir.DataType.FLOAT)
        start = op.Cast(op.Round(op.Mul(margin, 0.5)), to=ir.DataType.INT64)  # halves to even

    height_first = _height_first(op, op.Sub(before, after))
    axis = op.Where(height_first, [0], [1])
    (columns, across), (lines, down) = (
        kernel(
            op,
            *(op.Gather(numbers, axis) for numbers in (before, after, start)),
            side,
            wanted.interpolation,
            filled,
        )
        for axis in (axis, op.Sub(1, axis))
    )
    pixels = _planes(op, image, height_first)
    top = op.ReduceMin(lines, keepdims=0)
    bottom = op.Add(op.ReduceMax(lines, keepdims=0), 1)
    pixels = op.Slice(pixels, op.Unsqueeze(top, [0]), op.Unsqueeze(bottom, [0]), [1])
    pixels = op.Transpose(resample(op, pixels, columns, across, side), perm=[0, 2, 1])
    pixels = op.Transpose(resample(op, pixels, op.Sub(lines, top), down, side), perm=[0, 2, 1])
    pixels = op.Where(height_first, op.Transpose(pixels, perm=[0, 2, 1]), pixels)
    if filled:
        pixels = op.Where(_inside(op, start, after, side), pixels, 0.0)
    return op.Unsqueeze(_normalize(op, pixels, wanted), [0])


def _fitted(op, before, side):
    """int64 [2]: height and width as open_clip makes the longer one `side`, in its precision."""
    before = op.Cast(before, to=ir.DataType.DOUBLE)
    ratio = op.Div(op.ReduceMax(before, keepdims=1), float(side))
    return op.Max(op.Cast(op.Round(op.Div(before, ratio)), to=ir.DataType.INT64), 1)


def _inside(op, start, after, side):
    """bool [side, side]: where the picture lies in what is filled up."""
    places = op.Add(op.Range(0, side, 1), op.Unsqueeze(start, [1]))  # [2, side]
    inside = op.And(op.GreaterOrEqual(places, 0), op.Less(places, op.Unsqueeze(after, [1])))
    rows, columns = (op.Gather(inside, axis) for axis in (0, 1))
    return op.And(op.Unsqueeze(rows, [1]), columns)


def _height_first(op, lost):
    """bool [1]: whether the height is resized before the width, which shows where pixels are
    rounded between.

    Pillow does since its version 13 if the height loses more than twice the pixels that the width
    loses. `lost` is [2], height and width.
    """
    width = op.Max(op.Mul(op.Gather(lost, [1]), 2), 0)
    return op.Greater(op.Gather(lost, [0]), width)


def _planes(op, image, height_first):
    """[3, height, width] or, if the height is resized first, [3, width, height].

    One node a branch: with the Slice in it too, OpenVINO computed pixels that are none.
    """

    def transposed(*permutation):
        return op.builder.subgraph(
            lambda op: op.Transpose(image, perm=permutation),
            inputs=[],
            outputs=[ir.val(f"planes_{permutation[1]}")],
        )

    return op.If(height_first, then_branch=transposed(2, 1, 0), else_branch=transposed(2, 0, 1))


def _normalize(op, pixels, wanted):
    """Scaled to 1, less the mean, by the standard deviation, rounded as torchvision rounds."""
    mean, std = (
        ir.tensor(np.float32(channels).reshape(3, 1, 1), name=name)
        for name, channels in (("mean", wanted.mean), ("std", wanted.std))
    )
    return op.Div(op.Sub(op.Div(pixels, 255.0), mean), std)
