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
    """The forms that a budget of error, or of bytes, buys.

    candidates: {weight: [Form, …]}, as many for each.
    """

    def __init__(self, candidates, sensitivity):
        self.candidates = candidates
        self.errors = np.array(  # [tensors, candidates]
            [[expected(w, form, sensitivity) for form in forms] for w, forms in candidates.items()]
        )
        self.bytes = np.array(
            [[stored(w, form) for form in forms] for w, forms in candidates.items()]
        )

    def within(self, budget):
        """{weight: Form} of the fewest bytes for an error; where nothing fits, of the least."""
        return self._solved(self.bytes, self.errors, budget)

    def of_size(self, size):
        """{weight: Form} of the least error in so many bytes."""
        return self._solved(self.errors, self.bytes, size)

    def _solved(self, least, limited, limit):
        tensors, forms = self.bytes.shape
        each = np.kron(np.eye(tensors), np.ones(forms))  # one of them a tensor
        total = (limited / limit).reshape(1, -1)
        solution = milp(
            (least / least.max()).ravel(),
            integrality=np.ones(self.bytes.size),
            bounds=Bounds(0, 1),
            constraints=[LinearConstraint(each, 1, 1), LinearConstraint(total, 0, 1)],
            options={"mip_rel_gap": 0},
        )
        if solution.x is None:  # nothing fits: the least; of equal ones the last, the most exact
            columns = forms - 1 - limited[:, ::-1].argmin(1)
        else:
            columns = solution.x.reshape(tensors, forms).argmax(1)
        chosen = zip(self.candidates.items(), columns, strict=True)
        return {weight: each[column] for (weight, each), column in chosen}

    def size(self, forms):
        """Bytes of the weights in {weight: Form}."""
        return int(sum(stored(weight, form) for weight, form in forms.items()))


def widths(_, form):
    """The Forms of a weight whose block is settled."""
    return [Form(bits=bits, block=form.block) for bits in WIDTHS]


def expected(weight, form, sensitivity):
    """The error that a weight makes in a Form, as what it makes alone in another lets expect."""
    lost = sensitivity.bits - (HALF_BITS if form.bits == 16 else form.bits)
    length = rounding.block_length(weight.inputs, form.block)
    alone = sensitivity.error(weight.value.name) * math.sqrt(length / sensitivity.block)
    return alone * 4.0**lost


def stored(weight, form):
    """Bytes of a weight with its scales."""
    count = weight.value.const_value.size
    if form.bits == 16:
        return 2 * count
    length = rounding.block_length(weight.inputs, form.block)
    return count * form.bits / 8 + count / length + 2 * count / weight.inputs
