"""Folders of other clients than Hugging Face's, beside what they are made of.

`bundle.layouts` of params.yaml names them, each with an encoding. A module is a layout; its
`write(parts, folder)` makes it of finished files.
"""

from pathlib import Path
from typing import NamedTuple

import onnx_ir as ir

from clip_onnx import graphs
from clip_onnx.graphs import renaming, unit_length
from clip_onnx.host.preparation import Preparation
from clip_onnx.names import DATA_FILE, FILE


class Parts(NamedTuple):
    """What a layout is made of."""

    model: str
    models: Path  # data/models/MODEL
    checkpoint: Path
    sizes: object  # clip_onnx.checkpoint.architecture.Architecture
    preparation: Preparation
    encoding: str


def tower(parts, name, folder, names=None, dtype=None, unit=False):
    """Write a tower as model.onnx into a new folder.

    names: {old: new} of its input and output. dtype: what the input is to be instead, cast inside.
    unit: embeddings of length 1.
    """
    model = graphs.load(parts.models / name / parts.encoding)
    (given,), (embeds,) = model.graph.inputs, model.graph.outputs
    if unit:
        unit_length.normalize(model, embeds.name)
    if dtype:
        narrowed(model, given, dtype)
    renaming.rename(model, names or {})
    folder.mkdir(parents=True)
    graphs.save(model, folder, FILE, DATA_FILE)


def narrowed(model, given, dtype):
    """Let an input be of another type, in place; the graph goes on with what it took."""
    first = next(iter(model.graph))
    tape = ir.tape.Tape()
    source = ir.Value(name=given.name, type=ir.TensorType(dtype), shape=given.shape)
    cast = tape.op("Cast", [source], {"to": given.dtype})
    given.replace_all_uses_with(cast)
    model.graph.inputs[:] = [source]
    model.graph.insert_before(first, tape.nodes)
    given.name = None
