"""ONNX models on disk: one directory a model, the same bytes for the same model."""

import json
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from clip_onnx import absent
from clip_onnx.command import Refusal, first_line
from clip_onnx.names import DATA_FILE, FILE

OPSET = 18
CONTRIB = "com.microsoft"  # the domain of ONNX Runtime's own operators
EXTERNAL_DATA_FROM = 2**30  # bytes of weights; a protobuf ends at 2 GiB


def load(directory):
    """The model of a directory; weights in external data stay on disk until they are used.

    Raises Refusal for a file that is no whole model, and for external data that ends too early;
    absent.Absent for a graph that the model does not have.
    """
    absent.check(directory)
    path = Path(directory) / FILE
    try:
        model = ir.load(path)
    except OSError:
        raise
    except Exception as error:  # those of protobuf, onnx and onnx_ir share no base
        raise Refusal(
            f"{path} is no whole ONNX model, build it again: {first_line(error)}"
        ) from None
    if not (model.graph.outputs and model.opset_imports):  # cut off between two parts of it
        raise Refusal(f"{path} is no whole ONNX model, build it again: parts are missing")
    for name, value in model.graph.initializers.items():
        _require_whole(value.const_value, name)
    return model


def _require_whole(tensor, name):
    """Refuse a tensor whose external data is not all there."""
    if not isinstance(tensor, ir.ExternalTensor):
        return
    file, needed = Path(tensor.path), (tensor.offset or 0) + (tensor.length or 0)
    if file.stat().st_size < needed:
        raise Refusal(
            f"{file} is cut off, {name} lies behind its {file.stat().st_size} bytes: build it again"
        )


def ir_version(imports):
    """The IR version of a file of these operator sets {domain: version}: the least, so that old
    runtimes take it too, but none that the oldest runtime to take it computes wrongly.

    ONNX's least is 8 for opset 18. ONNX Runtime 1.14 takes that, and crashes on the ResNet's fp16
    tower; 9 it refuses, and 1.15 takes that and computes every file rightly that has standard
    operators alone. Its own MultiHeadAttention it computes wrongly in a ResNet's pool; 10 it
    refuses, as do all before 1.18. `python -m bench.old_runtimes` shows it
    (bench/old_runtimes.json).
    """
    sets = [onnx.helper.make_opsetid(*pair) for pair in imports.items()]
    least = onnx.helper.find_min_ir_version_for(sets, ignore_unknown=True)
    if CONTRIB in imports:
        return max(least, 10)
    return max(least, 9) if imports.get("", 0) >= OPSET else least


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
    model.ir_version = ir_version(model.opset_imports)
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
    return tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["version"]


def describe(model, **properties):
    """Add to the metadata that travels inside the file. Values that are no text become JSON."""
    for key, value in properties.items():
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        model.metadata_props[key] = text
