"""A large file's session, in the memory of the fp32 file.

ONNX Runtime decodes all weights of a file while it loads it, and keeps each result on the way until
the last is there: four times the fp32 weights. Here ONNX Runtime decodes them one after the other,
by the same operators, and then maps them as it maps those of a large fp32 file.

What DequantizeLinear decodes stays: ONNX Runtime computes such products in integers.
"""

import tempfile
from pathlib import Path

import onnx_ir as ir
import onnxruntime
from onnx_ir.passes.common import RemoveUnusedNodesPass

from clip_onnx import graphs
from clip_onnx.host import sessions

WORK = Path("build")  # not the system's folder, which may lie in memory
LARGE = 10**8  # bytes of a file's weights, from which on it is done


def session(directory):
    """A session of a model's directory: of its file, or of one with the same numbers."""
    model = graphs.load(directory)
    values = decoded(model)
    if not values or graphs.weight_bytes(model) < LARGE:
        return sessions.session(directory)
    WORK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        whole = Path(folder) / "whole"
        for number, value in enumerate(values):
            store(model, value, Path(folder) / f"{number}.bin")
        RemoveUnusedNodesPass()(model)
        whole.mkdir()
        graphs.save(model, whole, external=True)
        return sessions.session(whole)  # what it has mapped stays when the files are gone


def decoded(model):
    """The values that are computed of initializers alone, and read by what is not."""
    constant, decoding = {None, *model.graph.initializers.values()}, []
    for node in model.graph:
        if node.op_type != "DequantizeLinear" and constant.issuperset(node.inputs):
            constant |= {*node.outputs}
            decoding.append(node)
    others = [node for node in model.graph if node.outputs[0] not in constant]
    read = {*model.graph.outputs, *(value for node in others for value in node.inputs)}
    return [value for node in decoding for value in node.outputs if value in read]


def store(model, value, path):
    """Put what ONNX Runtime computes for a value into a file, and let the model read it there."""
    part = ir.Model(ir.convenience.extract(model.graph, [], [value]), ir_version=model.ir_version)
    part.graph.opset_imports.update(model.opset_imports)
    ir.external_data.load_to_model(part)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = ir.to_proto(part).SerializeToString()
    run = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"]).run
    (found,) = run(None, {})
    found.tofile(path)
    dtype, shape = ir.DataType.from_numpy(found.dtype), ir.Shape(found.shape)
    stored = ir.Value(name=f"{value.name}.decoded", type=ir.TensorType(dtype), shape=shape)
    where = {"shape": shape, "name": stored.name, "base_dir": path.parent}
    stored.const_value = ir.ExternalTensor(path.name, 0, found.nbytes, dtype, **where)
    model.graph.register_initializer(stored)
    value.replace_all_uses_with(stored, replace_graph_outputs=True)
