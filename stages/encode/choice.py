"""Which width each weight of a tower gets.

What the widths do to the embedding is nearly the sum of what each does alone (stages/sensitivity
measures that, at one width). A bit less makes about four times the squared error, and a block four
times as long about twice. So a choice is a knapsack: the fewest bytes whose errors
sum up to a budget, or the least error in so many bytes.
"""

import math

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from clip_onnx.settings.encodings import Form
from stages.encode import rounding

WIDTHS = (3, 4, 5, 6, 7, 8, 16)
# What fp16 counts as, about: its 11 significant bits round each weight by its own size, not by the
# largest of a block.
HALF_BITS = 12


class Choice:
    """The widths that a budget of error, or of bytes, buys.

    forms: {weight: Form}; a weight's block stays, and in `fixed` its bits, too.
    """

    def __init__(self, forms, sensitivity, fixed=()):
        self.forms = forms
        alone = [
            sensitivity.error(weight.value.name)
            * math.sqrt(rounding.block_length(weight.inputs, form.block) / sensitivity.block)
            for weight, form in forms.items()
        ]
        lost = [sensitivity.bits - (HALF_BITS if bits == 16 else bits) for bits in WIDTHS]
        growth = np.ldexp(1.0, 2 * np.array(lost))  # 4 a bit, exact on every CPU
        self.errors = np.outer(alone, growth)  # [tensors, widths]
        self.bytes = np.array(
            [[stored(w, bits, form.block) for bits in WIDTHS] for w, form in forms.items()]
        )
        self.allowed = np.array(
            [[w not in fixed or bits == form.bits for bits in WIDTHS] for w, form in forms.items()]
        )

    def within(self, budget):
        """{weight: Form} of the fewest bytes for an error; where nothing fits, of the least."""
        return self._solved(self.bytes, self.errors, budget)

    def of_size(self, size):
        """{weight: Form} of the least error in so many bytes."""
        return self._solved(self.errors, self.bytes, size)

    def _solved(self, least, limited, limit):
        tensors, widths = self.bytes.shape
        each = np.kron(np.eye(tensors), np.ones(widths))  # one width a tensor
        total = (limited / limit).reshape(1, -1)
        solution = milp(
            (least / least.max()).ravel(),
            integrality=np.ones(self.bytes.size),
            bounds=Bounds(0, self.allowed.ravel()),
            constraints=[LinearConstraint(each, 1, 1), LinearConstraint(total, 0, 1)],
            options={"mip_rel_gap": 0},
        )
        if solution.x is None:  # nothing fits
            columns = np.where(self.allowed, limited, np.inf).argmin(1)
        else:
            columns = solution.x.reshape(tensors, widths).argmax(1)
        return {
            weight: Form(bits=WIDTHS[column], block=form.block)
            for (weight, form), column in zip(self.forms.items(), columns, strict=True)
        }

    def size(self, forms):
        """Bytes of the weights in {weight: Form}."""
        return int(sum(stored(w, form.bits, form.block) for w, form in forms.items()))


def stored(weight, bits, block):
    """Bytes of a weight with its scales."""
    count = weight.value.const_value.size
    if bits == 16:
        return 2 * count
    length = rounding.block_length(weight.inputs, block)
    return count * bits / 8 + count / length + 2 * count / weight.inputs
