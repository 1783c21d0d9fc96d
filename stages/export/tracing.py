"""One tower traced into ONNX from fake tensors; its initializers read the checkpoint."""

import warnings

import numpy as np
import onnx_ir as ir
import torch
from torch._subclasses import FakeTensorMode

from clip_onnx import command, graphs
from clip_onnx.checkpoint import weights
from clip_onnx.host import preparation
from clip_onnx.names import TOKENIZER
from clip_onnx.openai import towers

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
                opset_version=graphs.OPSET,
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


def provenance(checkpoint_sha256, tower, sizes, wanted=preparation.OPENAI):
    """metadata_props of a tower: where it comes from and what its input must be."""
    properties = {
        "checkpoint_sha256": checkpoint_sha256,
        "graph": tower,
        "pipeline_version": graphs.pipeline_version(),
    }
    if tower == "visual":
        properties["preprocessing"] = preparation.description(sizes.resolution, wanted)
    else:
        about = {"tokenizer": "CLIP BPE", "max_length": sizes.context_length}
        if sizes.textual.end_id is not None:
            about |= {"tokenizer": TOKENIZER, "end_id": sizes.textual.end_id}
        properties["preprocessing"] = about
    return properties
