"""A classifier: probabilities of its labels for a picture, in every batch size.

The labels' reference embeddings are those of --labels-by, an fp32 tower. `accuracy` is measured
where the labels are those of the drawings.
"""

import json

import numpy as np

from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import sessions, tokens, zero_shot
from clip_onnx.measure import parity
from stages.evalset.drawings import LABELS
from stages.evaluate.results import Found, cosines, top1


def measure(file, truth, given):
    names = json.loads(file.metadata["labels"])
    truths = probabilities(truth.all_embeds, file.metadata, given.checkpoint, given.labels_by)

    def run(rows, size):
        return file.run(truth.pixels(batch) for batch in sessions.batches(rows, size))

    sizes = [file.batch] if file.batch else [1, sessions.BATCH]
    runs = [run(truth.rows, size) for size in sizes]
    shown = truths[truth.rows]
    metrics, own = parity.measure(shown, runs, np.eye(len(names))), {}
    control = parity.control(shown)
    if names == [str(label) for label in LABELS]:
        chosen = parity.choice(run(truth.labelled, sizes[-1]))
        accuracies = top1(chosen, truths[truth.labelled].argmax(-1), truth.labels)
        metrics["accuracy"], own["accuracy"], control["accuracy"] = accuracies
    return Found(metrics, own, control, cosines(shown, runs))


def probabilities(image_embeds, metadata, checkpoint, labels_by):
    """[pictures, labels] that a classifier of this metadata should give for pictures."""
    prompts = zero_shot.prompts(json.loads(metadata["labels"]), json.loads(metadata["templates"]))
    tokenizer = tokens.load(checkpoint / "tokenizer.json", context=None)
    context = architecture.of(checkpoint).context_length
    matrix = zero_shot.embed(prompts, sessions.session(labels_by), tokenizer, context)
    scale = weights.logit_scale(checkpoint)
    return zero_shot.softmax(scale * parity.normalized(image_embeds) @ matrix.T)
