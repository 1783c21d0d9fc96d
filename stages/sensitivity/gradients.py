"""What each weight of a tower means to its embedding, to first order.

What a rounded weight changes in its product is known, and what the product means to the embedding
is its gradient. A few random directions of the embedding, each taken back through the tower once,
say it of all weights together; 1 - cosine is half the squared length of what changes across the
embedding, which is the mean square along such directions.

They are taken back step by step: what a step was given is kept, what lies inside is computed again.
So the largest models need little more memory than their largest step.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from clip_onnx.openai import amounts, passes
from stages.calibrate.collected import Sums
from stages.encode import equalise, rounding, weight_only

BITS, BLOCK = 4, 32
BATCHES = {"visual": 8, "textual": 16}  # at most; captions are short
INPUTS = 4  # of each, at most
LARGE = 224  # pixels a side, beyond which a batch is one picture
DIRECTIONS, SEED = 4, 0
KEPT = 2**29  # bytes of what steps are given
DIGITS = 3  # of an error: beyond them CPUs might differ
LEVELS = 255  # of an input quantised to 8 bits


class Changes:
    """What rounding to BITS changes in each weight, as the module's parameter holds it.

    In files, for together it is as large as the weights.
    """

    def __init__(self, weights, folder):
        self.files = {weight.name: Path(folder) / f"{n}.npy" for n, weight in enumerate(weights)}
        for _ in weight_only.side_by_side(self.keep, weights):
            pass

    def keep(self, weight):
        np.save(self.files[weight.name], change(weight))

    def of(self, name, rows=...):
        """float64: all of a weight's, or of a table's rows."""
        kept = np.load(self.files[name], mmap_mode="r")[rows]
        return torch.from_numpy(kept.astype(np.float64))


class Probe:
    """What changes in every product of a step, and what that does along a direction."""

    def __init__(self, changes, readers):
        self.changes = changes
        self.readers = readers  # {name: Sums of the gradient at a table's rows}
        self.differences = {}  # {(name, figure): [B, …], the change of the product}
        self.found = {}  # {(name, figure): [B], the change along the direction}

    def see(self, product, result):
        """Let the result's gradient be met with what changes in it."""
        differences = {"error": self.change(product)}
        if product.function not in (F.embedding, F.conv2d):
            differences["input_error"] = product.of(rounding_of(product.inputs.detach()))
        if not result.requires_grad:
            result = result.detach().double().requires_grad_()  # a table's are as it is stored
        for figure, difference in differences.items():
            self.differences[product.name, figure] = difference.detach()
        result.register_hook(lambda gradient: self.meet(product.name, gradient))
        return result

    def change(self, product):
        """What changes in the result where the weight does."""
        if product.function is F.embedding:
            return self.changes.of(product.name, product.inputs.numpy())
        return product.of(weight=self.changes.of(product.name))

    def meet(self, name, gradient):
        if name in self.readers:
            self.readers[name].add(gradient.flatten(0, -2))
        for figure in ("error", "input_error"):
            difference = self.differences.get((name, figure))
            if difference is not None:
                along = (gradient * difference).flatten(1).sum(1)
                self.found[name, figure] = along


def rounding_of(inputs):
    """What 8 bits change in a product's inputs, as DynamicQuantizeLinear takes them."""
    low, high = inputs.min().clamp(max=0), inputs.max().clamp(min=0)
    scale = (high - low).clamp(min=1e-30) / LEVELS
    zero = (-low / scale).round()
    rounded = ((inputs / scale).round() + zero).clamp(0, LEVELS) - zero
    return rounded * scale - inputs


def across(embeds, direction):
    """[B, E] directions without what only changes an embedding's length, over that length."""
    length = embeds.norm(dim=-1, keepdim=True)
    unit = embeds / length
    return (direction - (unit * direction).sum(-1, keepdim=True) * unit) / length


def measure(tower, changes, batches, readers):
    """{(name, figure): the mean of 1 - cosine} of the changes of all weights.

    readers: {name of a table: Sums} of what its rows are read with, to which this adds.
    """
    rng, sums, count = np.random.default_rng(SEED), {}, 0
    for group in tqdm([*groups(tower, batches)], desc="sensitivity"):
        kept = tower.states(group)
        gradients = [directions(rng, states.pop()) for states in kept]
        count += sum(len(gradient) for several in gradients for gradient in several)
        for step in reversed(tower.steps):
            parameters = tower.load(step)
            for number, batch in enumerate(group):
                probe, before = Probe(changes, readers), []
                given = (kept[number].pop(), batch, probe.see, gradients[number])
                for gradient in tower.taken_back(step, parameters, *given):
                    before.append(gradient)
                    for key, along in probe.found.items():
                        sums[key] = sums.get(key, 0) + float((along**2).sum()) / 2
                gradients[number] = before
            tower.unload(step)
            passes.give_back()
    return {key: total / count for key, total in sums.items()}


def groups(tower, batches):
    """Lists of batches whose steps are given no more than KEPT; a list reads weights once."""
    (states,) = tower.states(batches[:1])
    size = sum(state.nbytes for state in states if state is not None) / len(batches[0])
    group, room = [], KEPT
    for batch in batches:
        # Captions come the shortest first, pictures are equally large.
        needed = size * batch.size / batches[0][0].size
        if group and needed > room:
            yield group
            group, room = [], KEPT
        group.append(batch)
        room -= needed
    yield group


def directions(rng, embeds):
    """DIRECTIONS random ones across some embeddings."""
    signs = [torch.from_numpy(rng.choice([-1.0, 1.0], embeds.shape)) for _ in range(DIRECTIONS)]
    return [across(embeds, one) for one in signs]


def change(weight):
    """float32: what rounding a weight to BITS changes, in its parameter's shape."""
    matrix = weight.matrix()
    changed = rounding.round_matrix(matrix, BITS, BLOCK).matrix()
    changed -= matrix
    if not weight.outputs_last:
        changed = changed.reshape(weight.value.shape.numpy())
    elif weight.value.name == weight.name:
        changed = changed.T  # a parameter that stands as it is multiplied
    return np.ascontiguousarray(changed, np.float32)


def table(model, calibration, folder):
    """(a row a weight, in the graph's order, {name of a table: Moments of what reads its rows}).

    `model` is equalised in place. `folder` holds, meanwhile, files as large as its weights.
    """
    found = list(weight_only.weights(model))
    equalise.apply(model, found)
    tower = passes.of_model(model, calibration.sizes(), calibration.tower)
    readers = {w.name: Sums(w.inputs) for w in found if w.is_table}
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        measured = measure(tower, Changes(found, beside), inputs(calibration), readers)
    return [row(weight, measured) for weight in found], {n: s.moments() for n, s in readers.items()}


def inputs(calibration):
    """At most BATCHES of at most INPUTS each."""
    size = 1 if (calibration.sizes().resolution or 0) > LARGE else INPUTS
    batches = [*calibration.batches(size), *calibration.scrambled()]
    batches = amounts.spread(batches, BATCHES[calibration.tower])
    return [batch[:INPUTS] for batch in batches]


def row(weight, measured):
    result = {"name": weight.value.name, "weights": weight.value.const_value.size}
    for figure in ("error", "input_error"):
        if (weight.name, figure) in measured:
            result[figure] = float(f"{measured[weight.name, figure]:.{DIGITS}g}")
    return result
