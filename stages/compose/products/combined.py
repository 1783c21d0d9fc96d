"""CLIP.forward as one graph: what a picture and a text have to do with each other.

    pixel_values [image_batch, 3, R, R], input_ids [text_batch, sequence]
    -> logits_per_image [image_batch, text_batch], logits_per_text [text_batch, image_batch],
       text_embeds [text_batch, E], image_embeds [image_batch, E], both unit vectors

Names, order and normalisation are those of Hugging Face's CLIPModel.
"""

import json

import numpy as np
import onnx_ir as ir

from clip_onnx import graphs
from clip_onnx.checkpoint import weights
from clip_onnx.graphs import unit_length
from stages.compose import joining

BATCHES = ("image_batch", "text_batch")


def make(product, given):
    towers = graphs.load(given.visual), graphs.load(given.textual)
    return build(*towers, weights.logit_scale(given.checkpoint))


def build(visual, textual, logit_scale):
    """The combined model; both towers are used up. `logit_scale` is e to the checkpoint's."""
    described = merged(visual.metadata_props, textual.metadata_props)
    for tower, batch in zip((visual, textual), BATCHES, strict=True):
        unit_length.normalize(tower, tower.graph.outputs[0].name)
        joining.rename_dimensions(tower, {"batch": batch})
    model = joining.join(visual, textual, {})
    image_embeds, text_embeds = model.graph.outputs
    tape = ir.tape.Tape(model.graph)
    scale = tape.initializer(ir.tensor(np.float32(logit_scale), name="logit_scale"))
    texts = tape.op("Transpose", [text_embeds], {"perm": [1, 0]})
    pictures = tape.op("Mul", [image_embeds, scale])
    per_image = tape.op("MatMul", [pictures, texts], output=logits("logits_per_image", BATCHES))
    per_text = logits("logits_per_text", BATCHES[::-1])
    tape.op("Transpose", [per_image], {"perm": [1, 0]}, output=per_text)
    model.graph.outputs[:] = [per_image, per_text, text_embeds, image_embeds]
    described |= {"normalized": f"{text_embeds.name} {image_embeds.name}"}
    graphs.describe(model, **described, graph="combined", logit_scale=logit_scale)
    return model


def logits(name, batches):
    return ir.Value(name=name, shape=ir.Shape(batches), type=ir.TensorType(ir.DataType.FLOAT))


def merged(visual, textual):
    """What the metadata of both towers say differently, as {tower: …}."""
    different = [key for key in visual.keys() & textual.keys() if visual[key] != textual[key]]
    return {
        key: {"visual": parsed(visual[key]), "textual": parsed(textual[key])}
        for key in different
        if key != "graph"
    }


def parsed(text):
    """A metadata value; graphs.describe writes what is no text as JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
