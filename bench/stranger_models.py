"""Eight small CLIPs that no encoding was tuned for, made anew from seeds.

    python -m bench.stranger_models NAME OUTPUT

Half are trained on drawings of other seeds than the shipped models', some barely; half are random,
with outliers or heavy tails in their weights. Some are stored in fp32. A name says how it was made.
Training ends at slightly other weights on another CPU.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file

from clip_onnx import command
from clip_onnx.checkpoint.architecture import Architecture
from clip_onnx.openai import archive, convert_weights, models
from tools import make_twin, train_tiny


class Recipe(NamedTuple):
    """How a stranger is made: trained for some steps, or else random as make_twin does it."""

    architecture: Architecture
    seed: int
    steps: int = 0
    peak: float = 1e-3  # of the learning rate
    outliers: bool = False
    tails: float = 0.0  # sigma of the lognormal factor of every single weight
    half: bool = True  # fp16 weights in OpenAI's archive, or fp32 ones in safetensors

    @property
    def suffix(self):
        return ".pt" if self.half else ".safetensors"


def vit(embed, side, layers, width, patch, text_width, text_layers):
    return Architecture(embed, side, layers, width, patch, 77, 49408, text_width, text_layers)


def resnet(embed, side, layers, width, text_width, text_layers):
    return Architecture(embed, side, layers, width, None, 77, 49408, text_width, text_layers)


RECIPES = {
    "vit-barely-trained": Recipe(vit(64, 64, 2, 128, 16, 64, 2), seed=11, steps=100),
    "vit-wide": Recipe(vit(128, 64, 2, 256, 16, 128, 2), seed=12, steps=500),
    "vit-deep": Recipe(vit(80, 64, 6, 64, 8, 64, 6), seed=13, steps=400, half=False),
    "rn-trained": Recipe(resnet(64, 64, (1, 1, 2, 1), 10, 128, 2), seed=14, steps=500, peak=2e-3),
    "vit-outliers": Recipe(vit(96, 112, 6, 192, 16, 192, 6), seed=15, outliers=True),
    "vit-heavy-tails": Recipe(vit(112, 84, 4, 128, 14, 128, 4), seed=16, tails=0.7),
    "rn-outliers": Recipe(resnet(128, 64, (2, 2, 2, 2), 8, 64, 6), seed=17, outliers=True),
    "rn-heavy-tails": Recipe(
        resnet(96, 96, (1, 2, 2, 1), 12, 192, 3), seed=18, tails=0.5, outliers=True, half=False
    ),
}


def trained(recipe):
    torch.manual_seed(recipe.seed)
    model = models.new_model(recipe.architecture)
    train_tiny.train(model, recipe.steps, recipe.peak, recipe.seed)
    return model.eval()


@torch.no_grad()
def random(recipe):
    model = make_twin.make(recipe.architecture, recipe.seed, recipe.outliers).float()
    generator = torch.Generator().manual_seed(recipe.seed)
    for parameter in model.parameters():
        if recipe.tails and parameter.ndim > 1:
            factor = torch.empty(parameter.shape).log_normal_(0, recipe.tails, generator=generator)
            parameter.mul_(factor / factor.square().mean().sqrt())
    return model


def write(name, output):
    """Make a stranger's checkpoint at a path, which has the suffix of its format."""
    recipe = RECIPES[name]
    model = trained(recipe) if recipe.steps else random(recipe)
    if recipe.half:
        convert_weights(model)
        archive.write_archive(model, output)
    else:
        tensors = {key: tensor.contiguous() for key, tensor in model.float().state_dict().items()}
        save_file(tensors, output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    write(arguments.name, arguments.output)


if __name__ == "__main__":
    command.run(main)
