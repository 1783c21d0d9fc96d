"""Make a twin: an official architecture with random weights, in OpenAI's file format.

    python -m tools.make_twin vit-l-14-336 OUT.pt [--outliers] [--seed 0]
    python -m tools.make_twin laion-vit-h-14 OUT

Those of LAION's models are folders in open_clip's format, their weights in half precision.

For work on memory, size and speed where the real weights are not at hand. Matrices have the
scale that OpenAI's code starts from (`CLIP.initialize_parameters`), residual branches write a
little more, rows and columns and norms differ by lognormal factors. `--outliers` scales six
channels behind every LayerNorm, and every BatchNorm inside a branch or the stem, up by ten and the
weights that read them down: the function is the same, but what quantisers meet is what training
does. A twin's parity says nothing of the real model's.

A random ResNet amplifies noise: a ReLU of values around zero keeps half of a small change's power,
but only a third of the signal's is left when the next BatchNorm has taken away the mean, so their
ratio falls by pi / (pi - 1) a layer. Twins write little in their residual branches, and shift what
a ReLU reads by a standard deviation, which leaves 1.1.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from clip_onnx import command
from clip_onnx.openai import archive, convert_weights, models, transform
from stages.evalset import drawings
from tools.architectures import LAION, TWINS

SPREAD = 0.25  # sigma of the lognormal factors
ATTENTION_GAIN, MLP_GAIN = 2.5, 1.2  # of what a block writes, over OpenAI's start
RESIDUAL_GAIN = 0.2  # of what a ResNet's branches write
RELU_SHIFT = 1.0  # of what a ResNet's ReLUs read, in standard deviations
OUTLIERS, OUTLIER_FACTOR = 6, 10.0
CALIBRATION_PICTURES = 4


@torch.no_grad()
def make(sizes, seed=0, outliers=False):
    """A `clip.model.CLIP` in half precision, as `archive.write_archive` takes it."""
    generator = torch.Generator().manual_seed(seed)
    model = models.new_model(sizes).eval()
    _widen(model, sizes)
    for name, parameter in sorted(model.named_parameters()):
        _fill(name, parameter, generator)
    for transformer in _transformers(model):
        _fill_transformer(transformer, generator)
    if not sizes.vit:
        _settle(model.visual, sizes.resolution, seed)
    if outliers:
        for norm, readers in _norms(model):
            _plant(norm, readers, generator)
    convert_weights(model)
    return model


def _widen(model, sizes):
    """Give the MLPs the width of the architecture, where that is not OpenAI's."""
    for tower, transformer in {"visual": model.visual, "textual": model}.items():
        mlp_width = getattr(sizes, tower).mlp_width
        for block in transformer.transformer.resblocks if mlp_width else ():
            width = block.mlp.c_fc.in_features
            block.mlp.c_fc = nn.Linear(width, mlp_width)
            block.mlp.c_proj = nn.Linear(mlp_width, width)


def write_folder(model, sizes, folder):
    """Write a model as open_clip does, with the configuration of its sizes."""
    vision = {"layers": sizes.vision_layers, "width": sizes.vision_width}
    vision |= {"head_width": sizes.visual.head_width, "patch_size": sizes.patch_size}
    vision |= {"mlp_ratio": round(sizes.vision_mlp_width / sizes.vision_width, 4)}
    text = {"layers": sizes.text_layers, "width": sizes.text_width, "heads": sizes.text_heads}
    config = {
        "embed_dim": sizes.embed_dim,
        "vision_cfg": vision | {"image_size": sizes.resolution},
        "text_cfg": text | {"context_length": sizes.context_length, "vocab_size": sizes.vocab_size},
    }
    with command.output(folder) as partial:
        save_file(model.state_dict(), partial / "open_clip_model.safetensors")
        content = json.dumps({"model_cfg": config}, indent=1, allow_nan=False)
        (partial / "open_clip_config.json").write_text(content + "\n", "utf-8")


def _normal(tensor, std, generator):
    tensor.normal_(0, std, generator=generator)


def _lognormal(shape, generator):
    return torch.empty(shape).log_normal_(0, SPREAD, generator=generator)


def _matrix(weight, std, generator):
    """Gaussian with rows and columns of different sizes. weight: [out, in, …]."""
    _normal(weight, std, generator)
    flat = weight.view(weight.shape[0], -1)
    flat.mul_(_lognormal((flat.shape[0], 1), generator))
    flat.mul_(_lognormal((1, flat.shape[1]), generator))


def _fill(name, parameter, generator):
    """Everything that is in no transformer; transformers' matrices are filled again after."""
    if name == "logit_scale":
        parameter.fill_(math.log(100))
    elif name == "token_embedding.weight":
        _normal(parameter, 0.02, generator)
    elif name == "positional_embedding":
        _normal(parameter, 0.01, generator)
    elif parameter.ndim > 1:
        inputs = parameter.shape[0] if "proj" in name.split(".")[-1] else parameter[0].numel()
        gain = math.sqrt(2) if "conv" in name or "downsample" in name else 1.0
        _matrix(parameter, gain * inputs**-0.5, generator)
    elif name.endswith("weight"):
        gain = RESIDUAL_GAIN if _ends_branch(name) else 1.0
        parameter.copy_(gain * _lognormal(parameter.shape, generator))
    else:
        _normal(parameter, 0.02, generator)
        if (".bn" in name or ".downsample.1" in name) and not _ends_branch(name):
            parameter.add_(RELU_SHIFT)


def _ends_branch(name):
    """Whether a parameter is of the BatchNorm that a ResNet's block adds to its input."""
    return ".layer" in name and ".bn3." in name


def _transformers(model):
    return [t for t in (getattr(model.visual, "transformer", None), model.transformer) if t]


def _fill_transformer(transformer, generator):
    """The standard deviations of `CLIP.initialize_parameters`, for either tower."""
    width = transformer.width
    written = width**-0.5 * (2 * transformer.layers) ** -0.5
    for block in transformer.resblocks:
        _matrix(block.attn.in_proj_weight, width**-0.5, generator)
        _matrix(block.attn.out_proj.weight, ATTENTION_GAIN * written, generator)
        _matrix(block.mlp.c_fc.weight, (2 * width) ** -0.5, generator)
        _matrix(block.mlp.c_proj.weight, MLP_GAIN * written, generator)


def _settle(resnet, side, seed):
    """BatchNorm's statistics from a few drawings, so that activations keep their size."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(drawings.LABELS), CALIBRATION_PICTURES, replace=False)
    pictures = [drawings.draw(rng, drawings.LABELS[label], side) for label in labels]
    norms = [m for m in resnet.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average of what follows
        norm.train()
    resnet(torch.stack([transform(side)(Image.fromarray(pixels)) for pixels in pictures]))
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()


def _norms(model):
    """Every norm whose output only weights [out, in, …] read: (norm, these weights)."""
    for transformer in _transformers(model):
        for block in transformer.resblocks:
            yield block.ln_1, [block.attn.in_proj_weight]
            yield block.ln_2, [block.mlp.c_fc.weight]
    yield model.ln_final, [model.text_projection.T]
    if hasattr(model.visual, "ln_post"):
        yield model.visual.ln_post, [model.visual.proj.T]
    for module in model.visual.modules():
        if hasattr(module, "bn3"):  # the stem, and every block
            yield module.bn1, [module.conv2.weight]
            yield module.bn2, [module.conv3.weight]


def _plant(norm, readers, generator):
    channels = torch.randperm(len(norm.weight), generator=generator)[:OUTLIERS]
    norm.weight[channels] *= OUTLIER_FACTOR
    norm.bias[channels] *= OUTLIER_FACTOR
    for reader in readers:
        reader[:, channels] /= OUTLIER_FACTOR


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=TWINS)
    parser.add_argument("output", type=Path)
    parser.add_argument("--outliers", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sizes = TWINS[arguments.model]
    model = make(sizes, arguments.seed, arguments.outliers)
    if arguments.model in LAION:
        write_folder(model, sizes, arguments.output)
    else:
        with command.output_file(arguments.output) as partial:
            archive.write_archive(model, partial)


if __name__ == "__main__":
    command.run(main)
