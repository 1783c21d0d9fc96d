"""A visual tower that takes pictures of any size: embeddings of whole pictures, one by one."""

from clip_onnx.measure import parity
from stages.evaluate.results import Found, cosines


def measure(file, truth, given):
    embeds = file.expected(truth.image_embeds)
    runs = [file.run(truth.pictures(given.evalset))]
    metrics = parity.measure(embeds, runs, truth.text_embeds)
    return Found(metrics, {}, parity.control(embeds), cosines(embeds, runs))
