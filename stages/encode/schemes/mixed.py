"""weight_only with a width for every tensor: the smallest file above a stated cosine.

A budget of error buys the fewest bytes (stages/encode/choice.py). The file that comes of it,
rounded with error feedback, is measured on the calibration split, and the budget is changed until
the worst cosine to expect elsewhere is just above the target. Where not even 16 bits reach that,
they are what is built; the metadata say so, and floors judge.
"""

import math

import numpy as np
from tqdm import tqdm

from clip_onnx import command, graphs
from clip_onnx.measure import parity
from clip_onnx.settings.encodings import Form
from stages.encode import bias, decoding, weight_only
from stages.encode.choice import Choice, widths
from stages.encode.weight_only import HALF

# The worst of inputs that nothing was fitted to came out up to 4 times as wrong as the worst of
# those that calibrate in the tiny models, and 7 times in the picture tower of a ViT-B/32's twin.
ELSEWHERE = 7
CLOSE = 0.6  # of the allowed error, from which on no smaller file is sought
ROUNDS = 6
SMALLEST = 1e-12  # of an error
DIGITS = 3  # of what is measured: beyond them CPUs might differ
PICTURES = 4  # a batch
BATCHES = 12  # of pictures, at most, that a choice is measured on


def encode(model, encoding, calibration, sensitivity):
    """Encode in place, as a Calibration and a Sensitivity say. The metadata say `widths`, the bits
    of every weight, and how the `target` was met."""
    found = list(weight_only.weights(model))
    known = weight_only.calibrated(model, found, calibration, sensitivity)
    small = set(weight_only.small(found))
    form = Form(bits=HALF, block=encoding.block)
    choice = Choice({w: widths(w, form) for w in found if w not in small}, sensitivity)
    made = {}  # (weight, Form's bits): what rounding it gave

    def build(forms):
        missing = {w: f for w, f in forms.items() if f.bits < HALF and (w, f.bits) not in made}
        for weight, result in weight_only.rounded(missing, known):
            made[weight, missing[weight].bits] = result
        return {w: made.get((w, forms[w].bits)) if w in forms else None for w in found}

    def measure(results):
        named = {weight.value.name: result for weight, result in results.items()}
        return error(model, named, calibration)

    target = getattr(encoding.target_cosine, calibration.tower)
    results, reached = search(choice, build, measure, (1 - target) / ELSEWHERE)
    weight_only.store(model, results)
    bits = {w.value.name: result[0].bits if result else HALF for w, result in results.items()}
    graphs.describe(model, widths=bits, target=outcome(target, reached))
    return model


def outcome(target, error):
    """What the metadata say of a target: the worst cosine that was measured, and to expect."""
    expected = 1 - ELSEWHERE * error
    return {
        "cosine": target,
        "calibration": round(1 - error, 7),
        "expected": round(expected, 7),
        "met": expected >= target,
    }


def search(choice, build, measure, allowed):
    """(what `build` makes, its error) of the smallest choice whose measured error is allowed.

    Of the most exact choice, if none is. Goes on past ROUNDS until one of the two is found.
    """
    budget, best, seen = allowed, None, {}
    while best is None or len(seen) < ROUNDS:
        forms = choice.within(budget)
        key = tuple(form.bits for form in forms.values())
        if key in seen:
            if best is not None:
                break
            if set(key) == {HALF}:
                return build(forms), seen[key]
            budget /= 4
            continue
        results = build(forms)
        seen[key], size = measure(results), choice.size(forms)
        tqdm.write(f"{size / 1e6:.2f} MB: worst cosine {1 - seen[key]:.6f} where it is calibrated")
        if seen[key] <= allowed and (best is None or size < best[0]):
            best = size, results, seen[key]
        if CLOSE * allowed <= seen[key] <= allowed:
            break
        budget *= np.clip(allowed * (1 + CLOSE) / 2 / max(seen[key], SMALLEST), 0.1, 10)
    return best[1:]


def error(model, results, calibration):
    """1 - the worst cosine on the calibration split, in float64, of a copy so encoded."""
    from clip_onnx.openai import passes  # torch, which no other scheme needs

    tower = passes.of_model(decoded(model, results), calibration.sizes(), calibration.tower)
    truths, batches = zip(*chosen(calibration), strict=True)
    embeds = tower.embed(batches, title="measured")
    worst = float((1 - parity.cosine(np.concatenate(truths), embeds)).max())
    if not math.isfinite(worst):
        raise command.Refusal("the encoded weights give embeddings that are not finite")
    return float(f"{worst:.{DIGITS}g}")


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
            array = decoding.to_half(weight.array()).astype(np.float32)
        else:
            matrix, change = result
            if change is not None:
                bias.correct(copy, weight, change, matrix.matrix())
            array = np.ascontiguousarray(weight.arrange(matrix.matrix(), None))
        weight.value.const_value = graphs.ir.tensor(array, name=weight.value.name)
    return copy
