"""Picture preparation: pixel values of whole pictures, one by one.

`pixels_off` is the share of grey levels that differ, of the worst picture, and `pixels_max` by how
much. Top-1 says nothing of pixels.
"""

import numpy as np

from clip_onnx.host import preparation
from clip_onnx.measure import parity
from stages.evaluate.results import Found


def measure(file, truth, given):
    truths = truth.pixels(truth.rows)
    found = file.run(truth.pictures(given.evalset))
    deviations = np.reshape(preparation.read(given.checkpoint).std, (3, 1, 1))
    levels = np.rint(np.abs(found - truths) * 255 * deviations)
    flat = [pixels.reshape(len(pixels), -1) for pixels in (truths, found)]
    found = parity.cosine(*flat)
    metrics = {
        "inputs": len(truths),
        "cosine_min": float(found.min()),
        "cosine_mean": float(found.mean()),
        "snr_db": parity.snr_db(*flat),
        "pixels_off": float((levels != 0).mean((1, 2, 3)).max()),  # NaN is off, too
        "pixels_max": float(levels.max()),
    }
    each = [parity.repeatable("cosine", cosine) for cosine in found.tolist()]
    return Found(metrics, {}, parity.control(flat[0]), each)
