"""What a pass over the calibration split collects of one tower: moments, and extremes."""

import math

import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

from clip_onnx.measure.calibration import Moments
from clip_onnx.openai import Bottleneck

PICTURES = 4  # a batch
POSITIONS = 196  # of a picture, at most, that a convolution's moments are taken from


class Sums:
    """Of what one weight reads: how many, their sum and the sum of their products."""

    def __init__(self, count):
        self.rows, self.total = 0, torch.zeros(count, dtype=torch.float64)
        self.products = torch.zeros(count, count, dtype=torch.float64)

    def add(self, rows):
        """Add rows [n, K]."""
        self.rows += len(rows)
        self.total += rows.sum(0)
        self.products.addmm_(rows.T, rows)

    def moments(self):
        self.products /= self.rows
        return Moments.of((self.total / self.rows).numpy(), self.products.numpy())


class Collected:
    """Sums of the weights that a step multiplies; their moments are written after it."""

    def __init__(self, folder):
        self.sums, self.folder = {}, folder
        folder.mkdir()

    def see(self, product, _):
        if product.function is not F.embedding:
            rows = unfold(product)
            if product.name not in self.sums:
                self.sums[product.name] = Sums(rows.shape[1])
            self.sums[product.name].add(rows)

    def write(self):
        for name in list(self.sums):
            found = self.sums.pop(name).moments()
            save_file(found._asdict(), self.folder / f"{name}.safetensors")


def unfold(product):
    """[rows, K]: what each output of a product, or of a convolution's position, is made from."""
    if product.function is not F.conv2d:
        return product.inputs.reshape(-1, product.inputs.shape[-1])
    _, stride, padding = product.rest[:3]
    height, width = product.weight.shape[2:]
    down, across = padding
    windows = F.pad(product.inputs, (across, across, down, down))
    windows = windows.unfold(2, height, stride[0]).unfold(3, width, stride[1])
    chosen = positions(*windows.shape[2:4])  # of [B, C, y, x, height, width]
    picked = windows[:, :, chosen // windows.shape[3], chosen % windows.shape[3]]
    return picked.transpose(1, 2).reshape(-1, product.weight[0].numel())


def positions(rows, columns):
    """At most POSITIONS of a map, row by row, that stand in all columns alike."""
    step = -(-rows * columns // POSITIONS)
    while math.gcd(step, columns) > 1:  # in step with the rows it would meet some columns alone
        step += 1
    return torch.arange(0, rows * columns, step)


class Extremes:
    """How far a ResNet's channels go in every picture, at the places calibration.py names."""

    def __init__(self, module):
        self.found = {}
        for name, part in module.named_modules():
            if isinstance(part, nn.Conv2d):
                part.register_forward_pre_hook(self._of_input(f"{name}.input"))
            elif isinstance(part, nn.BatchNorm2d):
                part.register_forward_hook(self._of_output(f"{name}.output"))
            elif isinstance(part, Bottleneck):
                part.relu3.register_forward_pre_hook(self._of_input(f"{name}.sum"))

    def _of_input(self, place):
        return lambda _, given: self.add(place, given[0])

    def _of_output(self, place):
        return lambda _, __, output: self.add(place, output)

    def add(self, place, values):
        """Add values [B, channels, y, x]."""
        each = torch.stack([values.amin((2, 3)), values.amax((2, 3))])  # [2, B, channels]
        self.found.setdefault(place, []).append(each)

    def tensors(self):
        """{place: float32 [2, pictures, channels]}: the least and the largest values."""
        return {name: torch.cat(each, 1).float().numpy() for name, each in self.found.items()}
