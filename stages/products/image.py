"""A visual tower that takes pictures of any size: `image` uint8 [height, width, 3] (RGB) ->
`image_embeds` [1, E]."""

from stages import graph
from stages.products import preprocess
from stages.products.joining import join


def build(visual):
    """Picture preparation in front of `visual`, a finished tower of any encoding, which is used up.

    The metadata is the tower's. Raises Refusal for another graph than a visual tower.
    """
    side = preprocess.side_of(visual)
    first = preprocess.build(side, visual.opset_imports[""])
    model = join(first, visual, {"pixel_values": "pixel_values"})
    graph.describe(model, graph="image")
    return model
