"""A repository for NVIDIA's Triton Inference Server: `tritonserver --model-repository FOLDER`.

    MODEL_visual/config.pbtxt, 1/model.onnx         pixel_values [batch, 3, R, R] -> image_embeds
    MODEL_textual/config.pbtxt, 1/model.onnx        input_ids [batch, sequence] -> text_embeds
    MODEL_preprocess/config.pbtxt, 1/model.onnx     image uint8 [H, W, 3] -> pixel_values
    MODEL_image/config.pbtxt, 1/                    the ensemble of the first and the third

The shapes are whole ones, batch and all (max_batch_size 0), for texts of a batch are of one length,
and a picture has a size of its own.
"""

import shutil

import onnx

from clip_onnx.names import FILE, PREPROCESS
from stages.bundle import layouts

VERSION = "1"
TYPES = {
    onnx.TensorProto.FLOAT: "TYPE_FP32",
    onnx.TensorProto.INT64: "TYPE_INT64",
    onnx.TensorProto.UINT8: "TYPE_UINT8",
}


def write(parts, folder):
    """Write the repository of what there is: without a preprocess graph there is no ensemble."""
    folder.mkdir()
    for tower in parts.sizes.towers:
        target = folder / f"{parts.model}_{tower}" / VERSION
        layouts.tower(parts, tower, target)
        describe(target)
    source = parts.models / PREPROCESS / "fp32"
    if "visual" not in parts.sizes.towers or not (source / FILE).exists():
        return
    prepared = folder / f"{parts.model}_{PREPROCESS}" / VERSION
    prepared.mkdir(parents=True)
    shutil.copyfile(source / FILE, prepared / FILE)
    describe(prepared)
    ensemble(parts.model, folder, prepared, folder / f"{parts.model}_visual" / VERSION)


def describe(version):
    """Write config.pbtxt beside a model's version, from what its graph says."""
    graph = onnx.load(version / FILE, load_external_data=False).graph
    lines = [f'name: "{version.parent.name}"', 'backend: "onnxruntime"', "max_batch_size: 0"]
    lines += tensors("input", graph.input) + tensors("output", graph.output)
    (version.parent / "config.pbtxt").write_text("\n".join(lines) + "\n", "utf-8")


def tensors(kind, values):
    """The lines of a config.pbtxt on a graph's inputs or outputs; -1 is an axis of any size."""
    lines = [f"{kind} ["]
    for value in values:
        tensor = value.type.tensor_type
        dims = [axis.dim_value or -1 for axis in tensor.shape.dim]
        lines.append(
            f'  {{ name: "{value.name}" data_type: {TYPES[tensor.elem_type]} dims: {dims} }},'
        )
    lines[-1] = lines[-1].removesuffix(",")
    return [*lines, "]"]


def ensemble(model, folder, first, second):
    """Write the ensemble of two models, the first one's output being the second one's input."""
    target = folder / f"{model}_image"
    (target / VERSION).mkdir(parents=True)
    before, after = (
        onnx.load(one / FILE, load_external_data=False).graph for one in (first, second)
    )
    (image,), (pixels,), (embeds,) = before.input, before.output, after.output
    lines = [f'name: "{target.name}"', 'platform: "ensemble"', "max_batch_size: 0"]
    lines += tensors("input", [image]) + tensors("output", [embeds])
    lines += ["ensemble_scheduling {", "  step ["]
    lines += [*step(first.parent.name, image.name, pixels.name), "    ,"]
    lines += [*step(second.parent.name, pixels.name, embeds.name), "  ]", "}"]
    (target / "config.pbtxt").write_text("\n".join(lines) + "\n", "utf-8")


def step(name, given, made):
    """The lines on a model of an ensemble; its tensors are called there as it calls them."""
    maps = [
        f'      {kind}_map {{ key: "{tensor}" value: "{tensor}" }}'
        for kind, tensor in (("input", given), ("output", made))
    ]
    return ["    {", f'      model_name: "{name}"', "      model_version: -1", *maps, "    }"]
