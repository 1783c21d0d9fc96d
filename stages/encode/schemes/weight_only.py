"""Weights stored in few bits, decoded by standard operators, computed with in fp32.

With a Calibration: layers are equalised, scales are searched, weights are rounded with error
feedback, and the mean of what that changed is put back. With a Sensitivity, too: `bits` are what
weights have on average, more where they mean more to the embedding, and rows of the token table are
rounded with feedback for what reads them.

DequantizeLinear is not used: ONNX Runtime fuses it into products with quantised activations.
Biases, norms, and positional and class embeddings stay in fp32, unless `tensors:` names one with 16
bits.
"""

from clip_onnx import graphs
from stages.encode import decoding, weight_only


def encode(model, encoding, calibration=None, sensitivity=None):
    """Encode in place. The metadata says `widths`, the bits of every weight, or at 16 bits which
    weights that changed: `rounded`."""
    found = list(weight_only.weights(model))
    if encoding.bits == weight_only.HALF and not encoding.tensors:
        changed = [weight.value.name for weight in found if decoding.store_half(model, weight)]
        model.metadata_props["rounded"] = ", ".join(changed)
        return model
    known = weight_only.calibrated(model, found, calibration, sensitivity)
    widths = weight_only.encode_some(model, found, encoding, known)
    graphs.describe(model, widths=widths | weight_only.store_others(model, encoding))
    return model
