"""`encodings:` of params.yaml: how weights are stored and computed with."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from clip_onnx.names import TOWERS
from clip_onnx.settings.sections import Section


class AsIs(Section):
    """fp32: the patched graph itself."""

    scheme: Literal["none"]


class Half(Section):
    scheme: Literal["half"]
    fused: bool = False  # attention in ONNX Runtime's own operator, for its GPU providers


Bits = Literal[3, 4, 5, 6, 7, 8, 16]
Block = Annotated[int, Field(ge=8)] | Literal["row"]  # weights that share a scale


class Form(Section):
    """How a weight is stored; in `tensors` what is left out is as for the others."""

    bits: Bits | None = None
    block: Block | None = None


def _as_form(given):
    """A number in the place of a Form is its bits."""
    return {"bits": given} if isinstance(given, int) else given


Tensors = dict[str, Annotated[Form, BeforeValidator(_as_form)]]  # by names, or fnmatch


class Forms(Section):
    """`bits` and `block` of all weights, and in `tensors` of those that have others."""

    bits: Bits
    block: Block
    tensors: Tensors = {}

    def named(self, name):
        """The Form that the first fitting pattern of `tensors` gives to a name, or None."""
        for pattern, form in self.tensors.items():
            if fnmatchcase(name, pattern):
                return Form(bits=form.bits or self.bits, block=form.block or self.block)
        return None

    def form(self, name):
        """The Form of a weight: that of its name, or else that of them all."""
        return self.named(name) or Form(bits=self.bits, block=self.block)


class WeightOnly(Forms):
    scheme: Literal["weight_only"]
    block: Block = "row"


BLOCKS = (256, 128, 64, 32, 16)  # how many weights in memory may share a scale


Share = Annotated[float, Field(ge=0, le=1)]


class Shares(Section):
    """Of all weights' bytes, so many more for what means most, in each tower."""

    visual: Share = 0
    textual: Share = 0


def _for_each_tower(given):
    """A number in the place of one a tower is each tower's."""
    return dict.fromkeys(TOWERS, given) if isinstance(given, int | float) else given


class Resident(Forms):
    """weight_only whose matrices stay in few bits in memory, too: MatMulNBits'."""

    scheme: Literal["resident"]
    bits: Literal[4, 8]
    block: Literal[BLOCKS]
    more: Annotated[Shares, BeforeValidator(_for_each_tower)] = Shares()
    accuracy_level: Literal[0, 4] = 0  # MatMulNBits': what is multiplied, as it comes or int8
    operators: Literal["contrib", "standard"] = "contrib"  # MatMulNBits, or DequantizeLinear


Cosine = Annotated[float, Field(gt=0, lt=1)]


class Targets(Section):
    """A worst cosine for each tower."""

    visual: Cosine
    textual: Cosine


Target = Annotated[Targets, BeforeValidator(_for_each_tower)]


class Mixed(Section):
    """weight_only with the width of every tensor chosen for the worst cosine that is asked for."""

    scheme: Literal["mixed"]
    target_cosine: Target
    models: dict[str, Target] = {}  # that have a target of their own
    block: Block = 32  # or a row, where that serves a tensor better

    def target(self, model, tower):
        """The worst cosine that a model's tower is asked for."""
        return getattr(self.models.get(model, self.target_cosine), tower)


class Dynamic(Section):
    scheme: Literal["dynamic"]
    exclude: Annotated[int, Field(ge=0)] = 0  # the most sensitive products, stored as int8 instead
    bits: Literal[7, 8] = 7  # of weights; 8 saturate on x86 CPUs without VNNI


class Static(Section):
    scheme: Literal["static"]


Schemes = AsIs | Half | WeightOnly | Resident | Mixed | Dynamic | Static
Encoding = Annotated[Schemes, Field(discriminator="scheme")]
