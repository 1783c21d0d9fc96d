"""weight_only for matrix products, whose weights stay in few bits while they are computed with.

The weights of a visual transformer's patches are those of a product, too (stages/encode/products).
Rounding is weight_only's. Tables and what no block divides are stored by weight_only: a table's
rows are decoded as they are looked up, so it is small in memory anyway. With a Sensitivity each
product has the 4 or 8 bits and the block that mean most in the size that `bits` and `block` say,
and `more` of all weights' bytes, for widths between the two are missing here.

ResNets' convolutions have no operator of this kind: their visual tower is not made.
"""

from clip_onnx import absent, command, graphs
from clip_onnx.graphs import opset
from clip_onnx.settings.encodings import BLOCKS, Form, Shares
from stages.encode import choice, products, weight_only

WHOLE = Form(bits=8, block="row")  # of what no block divides


def encode(model, encoding, calibration=None, sensitivity=None):
    """Encode in place, as a Calibration and a Sensitivity say. The metadata say `widths`, the bits
    of every weight."""
    model = products.from_patches(model)
    if any(node.op_type == "Conv" for node in model.graph):
        raise absent.Absent("convolutions have no weights that stay in few bits in memory")
    if encoding.operators == "standard":
        opset.convert(model, products.STANDARD_OPSET)
    found = list(weight_only.weights(model))
    known = weight_only.calibrated(model, found, calibration, sensitivity)
    forms = weight_only.formed(found, encoding)
    resident = {w: form for w, form in forms.items() if stays(w, form)}
    forms |= {w: WHOLE for w in found if not (w in resident or w.is_table or forms[w].bits == 16)}
    if sensitivity is not None:
        free = {w: f for w, f in resident.items() if not encoding.named(w.value.name)}
        whole = sum(choice.stored(w, f) for w, f in (forms | resident).items())
        more = getattr(encoding.more, sensitivity.tower) * whole
        resident |= weight_only.spread(free, candidates, sensitivity, more)
    elif encoding.more != Shares():
        raise command.Refusal(
            "`more` goes to the products that mean most: list the encoding in"
            " grid.encodings.by_sensitivity, or take `more` out"
        )
    rounded = {w: form for w, form in (forms | resident).items() if form.bits != 16}
    results = dict(weight_only.rounded(rounded, known))
    for weight, result in results.items():
        if weight in resident:
            weight_only.correct(model, weight, result)
            products.store(model, weight, result[0], encoding)
    weight_only.store(model, {w: results.get(w) for w in found if w not in resident})
    widths = {w.value.name: form.bits for w, form in (forms | resident).items()}
    graphs.describe(model, widths=widths | weight_only.store_others(model, encoding))
    return model


def candidates(weight, form):
    """The Forms that a weight may have: of 4 or 8 bits, in blocks that divide its inputs."""
    fitting = [block for block in BLOCKS if weight.inputs % block == 0]
    blocks = [next((b for b in fitting if b <= block), fitting[-1]) for block in BLOCKS]
    return [Form(bits=bits, block=block) for bits in (4, 8) for block in blocks]


def stays(weight, form):
    """Whether a weight can stay as it is stored."""
    if weight.is_table or form.bits == 16:
        return False
    if form.bits not in (4, 8) or form.block not in BLOCKS:
        raise command.Refusal(
            f"{weight.value.name}: {form.bits} bits in blocks of {form.block} cannot stay in"
            " memory: take 4 or 8 bits, in blocks of 16, 32, 64, 128 or 256"
        )
    return weight.inputs % form.block == 0
