"""A tower in float64, step by step: what its numbers decide is then decided alike on every CPU.

Weights are read when their step comes and let go after it, so that the largest models need no more
memory than their largest step and what all batches carry from one step to the next.
"""

import contextlib
import ctypes
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from clip_onnx import command, graphs
from clip_onnx.checkpoint import weights
from clip_onnx.openai import towers

WITH_BIAS = (F.linear, F.conv2d)
WEIGHTED = (*WITH_BIAS, F.embedding, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__)


class Product(NamedTuple):
    """What one weight was multiplied with: `function(inputs, weight, *rest)`, bias left out."""

    name: str
    function: object
    inputs: torch.Tensor
    weight: torch.Tensor
    rest: tuple

    def of(self, inputs=None, weight=None):
        """The same of other inputs, or with another weight."""
        inputs = self.inputs if inputs is None else inputs
        return self.function(inputs, self.weight if weight is None else weight, *self.rest)


class Observed(TorchFunctionMode):
    """Calls see(Product, what it gave) wherever one of the named parameters is multiplied.

    What `see` returns, if it returns anything, takes the place of the result.
    """

    def __init__(self, parameters, see):
        super().__init__()
        self.names = {id(parameter): name for name, parameter in parameters.items()}
        self.see = see

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in WEIGHTED and id(args[1]) in self.names:
            rest = (None, *args[3:]) if function in WITH_BIAS else args[2:]
            product = Product(self.names[id(args[1])], function, *args[:2], rest)
            seen = self.see(product, result)
            return result if seen is None else seen
        return result


class Tower:
    """A tower whose parameters' stored arrays are what `read(name)` gives."""

    def __init__(self, sizes, tower, read):
        with torch.device("meta"):
            self.module = towers.build(sizes, tower).double().requires_grad_(False)
        if tower == "textual":
            mask = towers.causal_mask(sizes.context_length).double()
            self.module.register_buffer("causal_mask", mask, persistent=False)
        self.steps, self.read = list(self.module.steps()), read
        self.empty = {
            name: tensor
            for name, tensor in self.module.state_dict().items()
            if tensor.is_floating_point()  # not BatchNorm's counters
        }

    def load(self, step):
        """Give a step its weights: {name: parameter}."""
        state = {name: self._tensor(name) for name in self._names(step)}
        self.module.load_state_dict(state, strict=False, assign=True)
        return {n: p for n, p in self.module.named_parameters() if n in state}

    def unload(self, step):
        state = {name: self.empty[name] for name in self._names(step)}
        self.module.load_state_dict(state, strict=False, assign=True)

    def _names(self, step):
        inside = tuple(f"{member}." for member in step.members)
        return [name for name in self.empty if name in step.members or name.startswith(inside)]

    def _tensor(self, name):
        # A table stays as it is stored, for few rows are looked up: what is added is float64.
        kind = None if name == towers.TABLE else np.float64
        return torch.from_numpy(np.ascontiguousarray(self.read(name), kind))

    def embed(self, batches, see=None, after=None, title="float64"):
        """float64 [n, E]: the embeddings of all batches, which are taken along step by step.

        see: as in Observed; after: called when a step is done.
        """
        batches = [_given(batch) for batch in batches]
        states = [None] * len(batches)
        for step in tqdm(self.steps, desc=title):
            parameters = self.load(step)
            with torch.no_grad(), Observed(parameters if see else {}, see):
                for number, batch in enumerate(batches):
                    states[number] = step.run(states[number], batch)
            self.unload(step)
            if after is not None:
                after()
            give_back()
        return torch.cat(states).numpy()

    def states(self, batches):
        """Of each batch what every step is given, None the first one; and last [B, E]."""
        batches = [_given(batch) for batch in batches]
        states = [[None] for _ in batches]
        with torch.no_grad():
            for step in self.steps:
                self.load(step)
                for kept, batch in zip(states, batches, strict=True):
                    kept.append(step.run(kept[-1], batch))
                self.unload(step)
        return states

    def taken_back(self, step, parameters, state, batch, see, gradients):
        """Take gradients of what a loaded step gives back to what it was given: an iterator.

        It gives None for each where the step is the first. `see` is as in Observed; what it has
        hooked to a gradient is called before the iterator goes on.
        """
        state = None if state is None else state.requires_grad_()
        with Observed(parameters, see):
            result = step.run(state, _given(batch))
        for gradient in gradients:
            result.backward(gradient, retain_graph=True)
            yield None if state is None else state.grad
            if state is not None:
                state.grad = None


def give_back():
    """Return freed memory to the system, which glibc does not where something lies among it: 100 MB
    of each of RN50x64's steps."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _given(batch):
    """Pixels or token ids as the module takes them."""
    batch = torch.from_numpy(batch)
    return batch.double() if batch.is_floating_point() else batch


def of_checkpoint(directory, sizes, tower):
    """A tower with the weights of data/checkpoints/MODEL."""
    prefix = "visual." if tower == "visual" else ""
    return Tower(sizes, tower, lambda name: weights.read(directory, prefix + name))


def of_model(model, sizes, tower):
    """A tower with the weights of a std graph in fp32, whatever was done to their values."""

    stored = model.graph.initializers

    def read(name):
        if name in stored:
            return graphs.array(stored[name].const_value)
        if f"{name}.T" in stored:
            return graphs.array(stored[f"{name}.T"].const_value).T
        raise command.Refusal(
            f"the std graph lacks {name}, and what it means cannot be measured: take patches that"
            " fold weights out of profiles.std"
        )

    return Tower(sizes, tower, read)
