"""A visual tower with labels baked in: probabilities of a fixed list for a picture.

    pixel_values [batch, 3, R, R] -> probabilities [batch, labels]

The `camera` form is what a camera platform's importer reads: opset 12, batch 1, the labels in the
output's name, the normalisation in the graph's description in 0-255 units.
"""

import json

import numpy as np
import onnx_ir as ir

from clip_onnx import command, graphs
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.graphs import opset, unit_length
from clip_onnx.host import sessions, tokens, zero_shot
from stages.compose import joining, label_files
from stages.compose.products import preprocess

CAMERA_OPSET = 12
SEPARATORS = ";:"  # of the camera form's output name


def make(product, given):
    """The labels are embedded by the tower of --labels-by: the matrix is kept in fp32 whatever the
    encoding."""
    visual, textual = graphs.load(given.visual), sessions.session(given.labels_by)
    labels = label_files.read(product.labels)
    prompts = zero_shot.prompts(labels, product.templates)
    tokenizer = tokens.load(given.checkpoint / "tokenizer.json", context=None)
    context = architecture.of(given.checkpoint).context_length
    matrix = zero_shot.embed(prompts, textual, tokenizer, context)
    scale = weights.logit_scale(given.checkpoint)
    model = build(visual, matrix, scale, labels, product.templates)
    if product.form == "camera":
        camera(model, labels)
    return model


def build(visual, matrix, logit_scale, labels, templates):
    """The classifier; the tower is used up. `matrix` is zero_shot.embed's [labels, E]."""
    unit_length.normalize(visual, visual.graph.outputs[0].name)
    image_embeds = visual.graph.outputs[0]
    tape = ir.tape.Tape(visual.graph)
    scaled = np.ascontiguousarray(matrix.T * np.float32(logit_scale))
    logits = tape.op("MatMul", [image_embeds, tape.initializer(ir.tensor(scaled, name="labels"))])
    probabilities = ir.Value(
        name="probabilities",
        shape=ir.Shape([image_embeds.shape[0], len(labels)]),
        type=ir.TensorType(ir.DataType.FLOAT),
    )
    visual.graph.outputs[0] = tape.op("Softmax", [logits], {"axis": -1}, output=probabilities)
    del visual.metadata_props["normalized"]  # no output is
    graphs.describe(visual, graph="classifier", labels=labels, templates=templates)
    return visual


def camera(model, labels):
    """Give a classifier the camera form, in place."""
    for label in labels:
        if any(separator in label for separator in SEPARATORS):
            raise command.Refusal(
                f"label {label!r} holds one of {SEPARATORS!r}, which separate labels in the camera"
                " form: reword it"
            )
    joining.rename_dimensions(model, {"batch": 1})
    opset.convert(model, CAMERA_OPSET)
    _, wanted = preprocess.described(model)
    (picture,), (scores,) = model.graph.inputs, model.graph.outputs
    picture.name = "image-"
    scores.name = "scores-" + ";".join(f"{place}:{label}" for place, label in enumerate(labels))
    normalisation = {
        "means": [round(255 * mean, 2) for mean in wanted.mean],
        "vars": [round(255 * deviation, 2) for deviation in wanted.std],
    }
    model.graph.doc_string = json.dumps(normalisation, allow_nan=False)
