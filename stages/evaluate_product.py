"""Measure a product against OpenAI's own code.

    python -m stages.evaluate_product data/models/MODEL/PRODUCT/ENCODING data/reference/MODEL \\
        data/checkpoints/MODEL data/evalset --labels-by data/models/MODEL/textual/fp32 \\
        data/eval/MODEL.PRODUCT.ENCODING.json

Writes what stages.evaluate writes, of what each kind of product gives:

    combined     both embeddings, the worse of each figure; `logits_error`, the largest difference
    classifier   probabilities; `accuracy` where the labels are those of the drawings. The labels'
                 reference embeddings are those of --labels-by, whose own parity is measured
    unit         embeddings of its tower, in every batch size and padding
    image        embeddings of whole pictures of any size
    preprocess   pixels; `pixels_off`, the share of grey levels that differ, and `pixels_max`
"""

import argparse
import json
from pathlib import Path

import numpy as np

from stages import command, graph, parity, runtime, tokens, weights
from stages.drawings import LABELS
from stages.evaluate import Truth, cosines, expected, write
from stages.preprocessing import STD
from stages.products import labels

WORST = {"cosine_min": min, "cosine_mean": min, "snr_db": min, "top1_agreement": min, "inputs": sum}


def softmax(logits):
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def combined(session, truth, arguments):
    scale = np.exp(weights.read(arguments.checkpoint, "logit_scale").astype(np.float64))
    units = parity.normalized(truth.image_embeds), parity.normalized(truth.text_embeds)
    logits = scale * units[0] @ units[1].T
    runs, error = [], 0.0

    def pictures(numbers):
        return truth.pixels([truth.rows[number] for number in numbers])

    def captions(numbers):
        """Padded with 0 to the longest of them."""
        ids = truth.input_ids[numbers]
        return ids[:, : ids.argmax(1).max() + 1]

    for turns in batch_counts(*map(len, units)):
        embeds = [], []
        for some, others in pairs(*map(len, units), turns):
            found = session.run(
                ["logits_per_image", "logits_per_text", "image_embeds", "text_embeds"],
                runtime.named(session, pictures(some), captions(others)),
            )
            truths = logits[np.ix_(some, others)]
            error = max(error, *(np.abs(a - truths).max() for a in (found[0], found[1].T)))
            for side, part in zip(embeds, found[2:], strict=True):
                side.append(part)
        runs.append([np.concatenate(side) for side in embeds])
    metrics = worst(
        parity.measure(own, [run[place] for run in runs], units[1 - place])
        for place, own in enumerate(units)
    )
    control = worst(parity.control(own) for own in units)
    each = [
        cosine
        for place, own in enumerate(units)
        for cosine in cosines(own, [run[place] for run in runs])
    ]
    return metrics | {"logits_error": float(error)}, {}, control, each


def batch_counts(pictures, texts):
    """Into how many batches both are cut: as many as can be, and few."""
    most = min(pictures, texts)
    return most, -(-most // runtime.BATCH)


def pairs(pictures, texts, turns):
    """The numbers of all pictures and of all texts, a batch of each a turn."""
    return zip(
        np.array_split(np.arange(pictures), turns),
        np.array_split(np.arange(texts), turns),
        strict=True,
    )


def worst(found):
    found = list(found)
    return {name: WORST[name](one[name] for one in found) for name in found[0]}


def classifier(session, truth, arguments):
    metadata = session.get_modelmeta().custom_metadata_map
    names, templates = json.loads(metadata["labels"]), json.loads(metadata["templates"])
    tokenizer = tokens.load(arguments.checkpoint / "tokenizer.json")
    prompts = labels.prompts(names, templates)
    matrix = labels.embed(prompts, runtime.session(arguments.labels_by), tokenizer)
    scale = np.exp(weights.read(arguments.checkpoint, "logit_scale").astype(np.float64))
    truths = softmax(scale * parity.normalized(truth.all_embeds) @ matrix.T)
    size = session.get_inputs()[0].shape[0]  # a name where it is dynamic

    def run(rows, size):
        return runtime.run(session, (truth.pixels(batch) for batch in runtime.batches(rows, size)))

    sizes = [size] if isinstance(size, int) else [1, runtime.BATCH]
    runs = [run(truth.rows, size) for size in sizes]
    metrics = parity.measure(truths[truth.rows], runs, np.eye(len(names)))
    control, own = parity.control(truths[truth.rows]), {}
    if names == [str(label) for label in LABELS]:
        right = truth.labels
        chosen = run(truth.labelled, sizes[-1]).argmax(-1)
        metrics["accuracy"] = float((chosen == right).mean())
        chosen = truths[truth.labelled].argmax(-1)
        own["accuracy"] = float((chosen == right).mean())
        control["accuracy"] = float((np.roll(chosen, 1) == right).mean())
    return metrics, own, control, cosines(truths[truth.rows], runs)


def visual(session, truth, arguments):
    truths = expected(session, truth.image_embeds)
    settings = runtime.picture_settings(truth.rows)
    runs = [runtime.run(session, map(truth.pixels, batches)) for batches in settings]
    metrics = parity.measure(truths, runs, truth.text_embeds)
    return metrics, {}, parity.control(truths), cosines(truths, runs)


def textual(session, truth, arguments):
    truths = expected(session, truth.text_embeds)
    settings = runtime.text_settings(truth.token_rows())
    runs = [runtime.run(session, batches) for batches in settings]
    metrics = parity.measure(truths, runs, truth.image_embeds)
    return metrics, {}, parity.control(truths), cosines(truths, runs)


def image(session, truth, arguments):
    truths = expected(session, truth.image_embeds)
    found = runtime.run(session, truth.pictures())
    metrics = parity.measure(truths, [found], truth.text_embeds)
    return metrics, {}, parity.control(truths), cosines(truths, [found])


def preprocess(session, truth, arguments):
    """Parity of pixel values; top-1 says nothing of them. `pixels_off` is the worst picture's."""
    truths = truth.pixels(truth.rows)
    found = runtime.run(session, truth.pictures())
    levels = np.rint(np.abs(found - truths) * 255 * np.reshape(STD, (3, 1, 1)))
    flat = [pixels.reshape(len(pixels), -1) for pixels in (truths, found)]
    found = parity.cosine(*flat)
    metrics = {
        "inputs": len(truths),
        "cosine_min": float(found.min()),
        "cosine_mean": float(found.mean()),
        "snr_db": parity.snr_db(*flat),
        "pixels_off": float((levels > 0).mean((1, 2, 3)).max()),
        "pixels_max": float(levels.max()),
    }
    each = [parity.repeatable("cosine", cosine) for cosine in found.tolist()]
    return metrics, {}, parity.control(flat[0]), each


def changed(session):
    """The tensors that a 16-bit encoding rounded, of one tower or of both."""
    stated = session.get_modelmeta().custom_metadata_map.get("rounded", "")
    if stated.startswith("{"):
        stated = ", ".join(filter(None, json.loads(stated).values()))
    return stated


MEASURES = {
    "visual": visual,
    "textual": textual,
    "combined": combined,
    "classifier": classifier,
    "image": image,
    "preprocess": preprocess,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "checkpoint", "evalset"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--labels-by", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    session = runtime.session(arguments.model)
    measure = MEASURES[session.get_modelmeta().custom_metadata_map["graph"]]
    truth = Truth(arguments.reference, arguments.evalset)
    results = measure(session, truth, arguments)
    results[0]["size_mb"] = graph.size(arguments.model) / 1e6
    write(arguments.output, results, changed(session))


if __name__ == "__main__":
    command.run(main)
