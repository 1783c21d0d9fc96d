"""Trace one tower into ONNX without holding its weights in memory.

    python -m stages.export data/checkpoints/MODEL visual|textual data/export/MODEL/TOWER

The module is traced from fake tensors; the graph's initializers then read the checkpoint's
tensors one at a time while the file is written.
"""

import argparse
import warnings

import numpy as np
import onnx_ir as ir
import torch
from torch._subclasses import FakeTensorMode

from stages import architecture, command, graph, preprocessing, towers, weights

BATCH = torch.export.Dim("batch")


def trace(sizes, tower):
    """The tower's graph with fake weights: an `onnx_ir.Model`."""
    with FakeTensorMode():
        module = towers.build(sizes, tower)
        if tower == "visual":
            example = torch.zeros(2, 3, sizes.resolution, sizes.resolution)
            dynamic, names = {0: BATCH}, (["pixel_values"], ["image_embeds"])
        else:
            example = torch.ones(2, 7, dtype=torch.int64)
            length = torch.export.Dim("sequence", max=sizes.context_length)
            dynamic, names = {0: BATCH, 1: length}, (["input_ids"], ["text_embeds"])
        with warnings.catch_warnings():
            # The exporter's own use of deprecated names; its errors are exceptions.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                dynamic_shapes=(dynamic,),
                input_names=names[0],
                output_names=names[1],
                opset_version=graph.OPSET,
                optimize=False,
                verbose=False,
            )
    return program.model


def fill(model, checkpoint, tower, sizes):
    """Let every initializer read its tensor from the checkpoint's directory, as float32."""
    prefix = "visual." if tower == "visual" else ""
    stored = weights.shapes(checkpoint)
    for name, value in model.graph.initializers.items():
        if name == "causal_mask":
            value.const_value = ir.tensor(
                towers.causal_mask(sizes.context_length).numpy(), name=name
            )
            continue
        key, needed = prefix + name, tuple(value.shape)
        if stored.get(key) != needed:
            raise command.Refusal(f"{key} is {stored.get(key)}, the {tower} graph needs {needed}")
        value.const_value = _lazy(checkpoint, key, name, value.shape)


def _lazy(checkpoint, key, name, shape):
    def read():
        return ir.tensor(weights.read(checkpoint, key).astype(np.float32, copy=False), name=name)

    return ir.LazyTensor(read, dtype=ir.DataType.FLOAT, shape=shape, name=name)


def provenance(checkpoint_sha256, tower, resolution):
    """metadata_props of a tower: where it comes from and what its input must be."""
    properties = {
        "checkpoint_sha256": checkpoint_sha256,
        "graph": tower,
        "pipeline_version": graph.pipeline_version(),
    }
    if tower == "visual":
        properties["preprocessing"] = preprocessing.description(resolution)
    else:
        properties["preprocessing"] = {"tokenizer": "CLIP BPE", "max_length": 77}
    return properties


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("tower", choices=("visual", "textual"))
    parser.add_argument("output")
    arguments = parser.parse_args()
    sizes = architecture.read(weights.shapes(arguments.checkpoint))
    model = trace(sizes, arguments.tower)
    model.graph.doc_string = None
    fill(model, arguments.checkpoint, arguments.tower, sizes)
    sha256 = weights.sha256(arguments.checkpoint)
    graph.describe(model, **provenance(sha256, arguments.tower, sizes.resolution))
    with command.output(arguments.output) as directory:
        graph.save(model, directory, external=True)


if __name__ == "__main__":
    command.run(main)
