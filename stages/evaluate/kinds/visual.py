"""A visual tower: embeddings of pictures in every batch size, and zero-shot accuracy."""

from clip_onnx.host import sessions
from clip_onnx.measure import parity
from stages.evaluate.results import Found, cosines, top1


def measure(tower, truth, given=None):
    """Found of a tower; `accuracy` is that on the labelled drawings, by the textual tower."""
    embeds = tower.expected(truth.image_embeds)

    def run(batches):
        return tower.run(map(truth.pixels, batches))

    runs = [run(batches) for batches in sessions.picture_settings(truth.rows, tower.batch)]
    metrics, control = parity.measure(embeds, runs, truth.text_embeds), parity.control(embeds)
    if truth.classes is None:
        return Found(metrics, {}, control, cosines(embeds, runs))
    labelled = run(sessions.batches(truth.labelled, tower.batch or sessions.BATCH))
    chosen = parity.nearest(labelled, truth.classes)
    right = parity.nearest(truth.all_embeds[truth.labelled], truth.classes)
    metrics["accuracy"], own, control["accuracy"] = top1(chosen, right, truth.labels)
    return Found(metrics, {"accuracy": own}, control, cosines(embeds, runs))
