"""ONNX models on disk: one directory a model, the same bytes for the same model."""

import json
import tomllib
from pathlib import Path

import numpy as np
import onnx_ir as ir

from clip_onnx.names import DATA_FILE, FILE

OPSET = 18
EXTERNAL_DATA_FROM = 2**30  # bytes of weights; a protobuf ends at 2 GiB


def load(directory):
    """The model of a directory; weights in external data stay on disk until they are used."""
    return ir.load(Path(directory) / FILE)


def save(model, directory, file=FILE, data_file=DATA_FILE, external=None):
    """Write `model` into a directory: no traces of its making but `metadata_props`.

    Weights go to external data where they pass 1 GiB, or as `external` says. Graphs that only the
    next stage reads keep theirs outside, so that it need not hold them.
    """
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
    for value in _values(model.graph):
        value.metadata_props.clear()
        value.doc_string = None
    model.doc_string = None
    model.producer_name, model.producer_version = "clip-onnx", None
    metadata = sorted(model.metadata_props.items())
    model.metadata_props.clear()
    model.metadata_props.update(metadata)
    if external is None:
        external = weight_bytes(model) > EXTERNAL_DATA_FROM
    if not external:
        ir.external_data.load_to_model(model)  # what the stage before left outside belongs inside
    ir.save(model, Path(directory) / file, external_data=data_file if external else None)


def _values(graph):
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from node.outputs


def array(tensor):
    """A tensor's values, copied; the external data it may come from does not stay mapped."""
    values = np.array(tensor.numpy())
    if isinstance(tensor, ir.ExternalTensor):
        tensor.release()
    return values


def constant(model, values, name, dtype=np.int64):
    """A new initializer."""
    tensor = ir.tensor(np.array(values, dtype), name=name)
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape)
    value.const_value = tensor
    model.graph.register_initializer(value)
    return value


def own_initializer(model, node, place):
    """The initializer that a node reads, first copied if others read it too; to be changed."""
    value = node.inputs[place]
    if len(value.uses()) > 1:
        name = f"{value.name}.{node.outputs[0].name}"
        copy = ir.Value(name=name, type=value.type, shape=value.shape)
        copy.const_value = value.const_value
        model.graph.register_initializer(copy)
        node.replace_input_with(place, copy)
        value = copy
    return value


def weight_bytes(model):
    return sum(value.const_value.nbytes for value in model.graph.initializers.values())


def size(directory):
    """Bytes of a model's files."""
    return sum(file.stat().st_size for file in Path(directory).iterdir())


def pipeline_version():
    return tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]


def describe(model, **properties):
    """Add to the metadata that travels inside the file. Values that are no text become JSON."""
    for key, value in properties.items():
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        model.metadata_props[key] = text
