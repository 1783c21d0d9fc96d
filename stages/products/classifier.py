"""A visual tower with labels baked in: probabilities of a fixed list for a picture.

    pixel_values [batch, 3, R, R] -> probabilities [batch, labels]

The `camera` form is what a camera platform's importer reads: opset 12, batch 1, the labels in the
output's name, the normalisation in the graph's description in 0-255 units.
"""

import json

import numpy as np
import onnx_ir as ir

from stages import command, graph, opset, unit
from stages.preprocessing import MEAN, STD
from stages.products import joining

CAMERA_OPSET = 12
SEPARATORS = ";:"  # of the camera form's output name


def build(visual, matrix, logit_scale, labels, templates):
    """The classifier; the tower is used up. `matrix` is labels.embed's [labels, E]."""
    unit.normalize(visual, visual.graph.outputs[0].name)
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
    graph.describe(visual, graph="classifier", labels=labels, templates=templates)
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
    (picture,), (scores,) = model.graph.inputs, model.graph.outputs
    picture.name = "image-"
    scores.name = "scores-" + ";".join(f"{place}:{label}" for place, label in enumerate(labels))
    normalisation = {
        "means": [round(255 * mean, 2) for mean in MEAN],
        "vars": [round(255 * deviation, 2) for deviation in STD],
    }
    model.graph.doc_string = json.dumps(normalisation)
