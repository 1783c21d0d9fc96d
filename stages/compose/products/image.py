"""A visual tower that takes pictures of any size: `image` uint8 [height, width, 3] (RGB) ->
`image_embeds` [1, E]."""

from clip_onnx import graphs
from clip_onnx.graphs import unit_length
from stages.compose.joining import join
from stages.compose.products import preprocess


def make(product, given):
    model = build(graphs.load(given.visual))
    if product.normalize:
        unit_length.normalize(model, model.graph.outputs[0].name)
    return model


def build(visual):
    """Picture preparation in front of `visual`, a finished tower of any encoding, which is used up.

    The metadata is the tower's. Raises Refusal for another graph than a visual tower.
    """
    side, wanted = preprocess.described(visual)
    first = preprocess.build(side, visual.opset_imports[""], wanted)
    model = join(first, visual, {"pixel_values": "pixel_values"})
    graphs.describe(model, graph="image")
    return model
