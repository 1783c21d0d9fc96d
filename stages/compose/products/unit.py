"""A tower whose embeddings are unit vectors."""

from clip_onnx import graphs
from clip_onnx.graphs import unit_length


def make(product, given):
    model = graphs.load(getattr(given, product.tower))
    unit_length.normalize(model, model.graph.outputs[0].name)
    return model
