"""weight_only with a width for every tensor: the smallest file above a stated cosine.

A budget of error buys the fewest bytes (stages/encode/choice.py); scales are shared by `block`
weights, or by a row of a table. The file that comes of it, rounded with error feedback, is
measured on the calibration split, and the budget is changed until the worst cosine to expect
elsewhere is just above the target. Where not even 16 bits reach that, they are what is built; the
metadata say so, and floors judge.
"""

import math
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from clip_onnx import command, graphs
from clip_onnx.measure import parity
from clip_onnx.settings.encodings import Form
from stages.encode import bias, decoding, weight_only
from stages.encode.choice import Choice, widths
from stages.encode.weight_only import HALF

# How much more wrong the worst of inputs that nothing was fitted to came out than the worst of
# those that calibrate: captions up to 3.3 times, in four trained models at 4 to 8 bits; pictures up
# to 7 times, in a ViT-B/32's twin, and more where an error is far from any target.
ELSEWHERE = {"visual": 7, "textual": 4}
CLOSE = 0.6  # of the allowed error, from which on no smaller file is sought
ROUNDS = 6
SMALLEST = 1e-12  # of an error
DIGITS = 3  # of what is measured: beyond them CPUs might differ
PICTURES = 4  # a batch
BATCHES = 24  # of pictures, at most, that a choice is measured on


def encode(model, encoding, calibration, sensitivity):
    """Encode in place, as a Calibration and a Sensitivity say. The metadata say `widths`, the bits
    of every weight, and how the `target` was met."""
    found = list(weight_only.weights(model))
    known = weight_only.calibrated(model, found, calibration, sensitivity)
    small = set(weight_only.small(found))
    choice = Choice({w: candidates(w, encoding) for w in found if w not in small}, sensitivity)
    made = {}  # (weight, Form): what rounding it gave

    def build(forms):
        missing = {w: f for w, f in forms.items() if f.bits < HALF and (w, f) not in made}
        for weight, result in weight_only.rounded(missing, known):
            made[weight, missing[weight]] = result
        return {w: made.get((w, forms[w])) if w in forms else None for w in found}

    def measure(results):
        named = {weight.value.name: result for weight, result in results.items()}
        return measured(model, named, calibration)

    target = encoding.target(calibration.model, calibration.tower)
    elsewhere = ELSEWHERE[calibration.tower]
    results, reached = search(choice, build, measure, (1 - target) / elsewhere)
    weight_only.store(model, results)
    bits = {w.value.name: result[0].bits if result else HALF for w, result in results.items()}
    graphs.describe(model, widths=bits, target=outcome(target, reached, elsewhere))
    return model


def candidates(weight, encoding):
    """The Forms that a weight may have, as many for each. A row of a table may have one scale."""
    blocks = "row" if weight.is_table else encoding.block, encoding.block
    return [form for block in blocks for form in widths(weight, Form(bits=HALF, block=block))]


class Reached(NamedTuple):
    """How close an encoded tower is where it is calibrated."""

    error: float  # 1 - the worst cosine
    snr_db: float


def outcome(target, reached, elsewhere):
    """What the metadata say of a target: what was measured, and the worst cosine to expect."""
    expected = 1 - elsewhere * reached.error
    return {
        "cosine": target,
        "calibration": round(1 - reached.error, 7),
        "snr_db": round(reached.snr_db, 1),
        "expected": round(expected, 7),
        "met": expected >= target,
    }


def search(choice, build, measure, allowed):
    """(what `build` makes, what is Reached) of the smallest choice whose error is allowed.

    Of the most exact choice, if none is. Goes on past ROUNDS until one of the two is found.
    """
    budget, best, seen = allowed, None, {}
    while best is None or len(seen) < ROUNDS:
        forms = choice.within(budget)
        key = tuple(forms.values())
        if key in seen:
            if best is not None:
                break
            if {form.bits for form in key} == {HALF}:
                return build(forms), seen[key]
            budget /= 4
            continue
        results = build(forms)
        reached, size = measure(results), choice.size(forms)
        seen[key], error = reached, reached.error
        tqdm.write(
            f"{size / 1e6:.2f} MB: worst cosine {1 - error:.6f}, SNR {reached.snr_db:.1f} dB where"
            " it is calibrated"
        )
        if error <= allowed and (best is None or size < best[0]):
            best = size, results, reached
        if CLOSE * allowed <= error <= allowed:
            break
        budget *= np.clip(allowed * (1 + CLOSE) / 2 / max(error, SMALLEST), 0.1, 10)
    return best[1:]


def measured(model, results, calibration):
    """What a copy so encoded has Reached on the calibration split, in float64."""
    from clip_onnx.openai import passes  # torch, which no other scheme needs

    tower = passes.of_model(decoded(model, results), calibration.sizes(), calibration.tower)
    truths, batches = zip(*chosen(calibration), strict=True)
    truth, embeds = np.concatenate(truths), tower.embed(batches, title="measured")
    worst = float((1 - parity.cosine(truth, embeds)).max())
    if not math.isfinite(worst):
        raise command.Refusal("the encoded weights give embeddings that are not finite")
    return Reached(float(f"{worst:.{DIGITS}g}"), parity.snr_db(truth, embeds))


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
