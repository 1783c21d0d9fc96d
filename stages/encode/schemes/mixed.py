"""weight_only with a width for every tensor: the smallest file above a stated cosine.

What the widths do to the embedding is nearly the sum of what each does alone (stages/sensitivity
measures that, at one width), and a bit less makes about four times the squared error. So the
choice is a knapsack: the fewest bytes whose errors sum up to a budget. The file that comes of it,
rounded with error feedback, is measured on the calibration split, and the budget is changed until
the worst cosine is just above the target.
"""

import math

import numpy as np
from scipy.optimize import LinearConstraint, milp
from tqdm import tqdm

from clip_onnx import command, graphs
from clip_onnx.measure import parity
from clip_onnx.settings.sections import Form
from stages.encode import bias, equalise, rounding, weight_only

WIDTHS = (3, 4, 5, 6, 7, 8)
TAIL = 4  # deviations of the errors' logarithms from their mean, where the worst is expected
HEADROOM = 0.4  # of the allowed error: the integers were fitted to the inputs that they meet here
CLOSE = 0.8  # of the allowed error, from which on no smaller file is sought
ROUNDS = 8
DIGITS = 3  # of what is measured: beyond them CPUs might differ
PICTURES = 4  # a batch
BATCHES = 12  # of pictures, at most, that a choice is measured on


def encode(model, encoding, calibration, sensitivity):
    """Encode in place. `sensitivity` is the table of the stage of that name."""
    found = list(weight_only.weights(model))
    known = weight_only.Known(calibration, equalise.apply(model, found))
    small = weight_only.small(found)
    large = [weight for weight in found if weight not in small]
    choice = Choice(large, sensitivity, encoding.block)
    made = {}  # (weight, bits): what rounding it gave

    def build(widths):
        missing = {
            weight: Form(bits=bits, block=encoding.block)
            for weight, bits in widths.items()
            if (weight, bits) not in made
        }
        for weight, result in weight_only.rounded(missing, known):
            made[weight, missing[weight].bits] = result
        return {w: made[w, widths[w]] if w in widths else None for w in found}

    allowed = 1 - encoding.target_cosine

    def measure(results):
        named = {weight.value.name: result for weight, result in results.items()}
        return error(model, named, calibration)

    results = search(choice, build, measure, allowed * HEADROOM)
    weight_only.store(model, results)
    widths = {w.value.name: result[0].bits if result else 16 for w, result in results.items()}
    graphs.describe(model, widths=widths)
    return model


def search(choice, build, measure, allowed):
    """What `build` makes of the smallest choice whose measured error is at most `allowed`.

    Goes on past ROUNDS until one holds. Raises Refusal if the widest choice does not.
    """
    budget, best, reached = allowed, None, {}
    while best is None or len(reached) < ROUNDS:
        widths = choice.within(budget)
        key = tuple(widths.values())
        if key in reached:
            if best is not None:
                break
            if set(key) == {max(WIDTHS)}:
                raise command.Refusal(
                    f"target_cosine: {max(WIDTHS)} bits a weight reach {1 - reached[key]:.6f} at"
                    " best; ask for less, or take fp16w"
                )
            budget /= 2
            continue
        results = build(widths)
        reached[key], size = measure(results), choice.size(widths)
        if not math.isfinite(reached[key]):
            raise command.Refusal("the encoded weights give embeddings that are not finite")
        tqdm.write(f"{size / 1e6:.2f} MB: worst cosine {1 - reached[key]:.6f}")
        if reached[key] <= allowed and (best is None or size < best[0]):
            best = size, results
        if CLOSE * allowed <= reached[key] <= allowed:
            break
        budget *= np.clip(allowed * (1 + CLOSE) / 2 / max(reached[key], 1e-12), 0.1, 10)
    return best[1]


class Choice:
    """The widths that a budget of error buys."""

    def __init__(self, weights, sensitivity, block):
        measured = {row["name"]: row["error"] for row in sensitivity["tensors"]}
        missing = [w.value.name for w in weights if w.value.name not in measured]
        if missing:
            raise command.Refusal(f"the sensitivity table lacks {missing[0]}: rerun `sensitivity`")
        self.weights = weights
        lost = np.array([sensitivity["bits"] - bits for bits in WIDTHS])
        alone = np.array([measured[weight.value.name] for weight in weights])
        self.errors = alone[:, None] * 4.0**lost  # [tensors, widths]
        self.bytes = np.array([[stored(w, bits, block) for bits in WIDTHS] for w in weights])

    def within(self, budget):
        """{weight: bits} of the fewest bytes; where nothing fits, the widest of everything."""
        tensors, widths = self.bytes.shape
        each = np.kron(np.eye(tensors), np.ones(widths))  # one width a tensor
        total = (self.errors / budget).reshape(1, -1)
        solution = milp(
            (self.bytes / self.bytes.max()).ravel(),
            integrality=np.ones(self.bytes.size),
            bounds=(0, 1),
            constraints=[LinearConstraint(each, 1, 1), LinearConstraint(total, 0, 1)],
            options={"mip_rel_gap": 0},
        )
        if solution.x is None:
            return dict.fromkeys(self.weights, max(WIDTHS))
        chosen = solution.x.reshape(tensors, widths).argmax(1)
        return {weight: WIDTHS[i] for weight, i in zip(self.weights, chosen, strict=True)}

    def size(self, widths):
        columns = [WIDTHS.index(bits) for bits in widths.values()]
        return int(self.bytes[np.arange(len(columns)), columns].sum())


def stored(weight, bits, block):
    """Bytes of a weight with its scales."""
    count = weight.value.const_value.size
    length = rounding.block_length(weight.inputs, block)
    return count * bits / 8 + count / length + 2 * count / weight.inputs


def error(model, results, calibration):
    """1 - the worst cosine to expect, of a copy of the model so encoded, computed in float64.

    Measured on the calibration split. Other inputs come out worse than the worst of these, the
    more so the more these differ: their errors are taken for lognormal.
    """
    from clip_onnx.openai import passes  # torch, which no other scheme needs

    tower = passes.of_model(decoded(model, results), calibration.sizes(), calibration.tower)
    truths, batches = zip(*chosen(calibration), strict=True)
    embeds = tower.embed(batches, title="measured")
    errors = np.maximum(1 - parity.cosine(np.concatenate(truths), embeds), 1e-12)
    logarithms = np.log(errors)
    expected = max(errors.max(), np.exp(logarithms.mean() + TAIL * logarithms.std()))
    return float(f"{expected:.{DIGITS}g}")


def chosen(calibration):
    """(what OpenAI's code makes of it, a batch) of the calibration split: of BATCHES of pictures,
    evenly spread, or of all captions, which cost little and differ more."""
    from clip_onnx.openai import amounts

    batches = list(calibration.batches(PICTURES))
    ends = np.cumsum([len(batch) for batch in batches])
    pairs = list(zip(np.split(calibration.embeds(), ends[:-1]), batches, strict=True))
    return amounts.spread(pairs, BATCHES if calibration.tower == "visual" else None)


def decoded(model, results):
    """A copy of the model, whose weights are what the runtime decodes."""
    copy = model.clone()
    for weight in list(weight_only.weights(copy)):
        result = results.get(weight.value.name)
        if result is None:
            array = weight.array().astype(np.float16).astype(np.float32)
        else:
            matrix, change = result
            if change is not None:
                bias.correct(copy, weight, change, matrix.matrix())
            array = np.ascontiguousarray(weight.arrange(matrix.matrix(), None))
        weight.value.const_value = graphs.ir.tensor(array, name=weight.value.name)
    return copy
