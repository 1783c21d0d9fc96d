"""`grid:` of params.yaml: which files are built of which models."""

from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from clip_onnx.names import PREPROCESS, PYTORCH, TOWERS
from clip_onnx.settings.sections import Different, Section, Slug

BY_SENSITIVITY = ("mixed", "dynamic")  # schemes that choose by what each weight means
OF_PRODUCTS = ("resident",)  # schemes that no convolution has
SCHEMES = {  # that each list of grid.encodings may hold
    "by_sensitivity": (*BY_SENSITIVITY, "weight_only", "resident"),
    "plain": ("none", "half", "weight_only", "resident"),
    "resnets": ("static",),
}


def best_group(encoding):
    """The list of grid.encodings in which an encoding comes out best."""
    if encoding.scheme == "weight_only":
        return "plain" if encoding.bits == 16 else "by_sensitivity"
    return next(group for group, schemes in SCHEMES.items() if encoding.scheme in schemes)


class Encodings(Section):
    """By what their stages are given."""

    plain: Different[Slug]
    by_sensitivity: Different[Slug]
    resnets: Different[Slug]  # of the visual towers of Grid.resnets alone

    @model_validator(mode="after")
    def _stand_in_one_list(self):
        for slug in self.plain:
            if slug in self.by_sensitivity:
                raise ValueError(f"{slug!r} is in plain and in by_sensitivity; leave it in one")
        return self

    @property
    def of_both_towers(self):
        return [*self.plain, *self.by_sensitivity]

    @property
    def all(self):
        return [*self.of_both_towers, *self.resnets]


class Grid(Section):
    models: Annotated[Different[Slug], Field(min_length=1)]
    resnets: Different[Slug]
    encodings: Encodings
    profiles: Different[Slug]
    products: Different[Slug]
    composed: Different[Slug]  # the encodings that products are made of
    _of_products: set = PrivateAttr(default_factory=set)  # encodings of such a scheme

    def know(self, encodings):
        """Take in `encodings` of params.yaml: ResNets' visual towers are not built in all."""
        self._of_products |= {n for n, one in encodings.items() if one.scheme in OF_PRODUCTS}

    def variants(self, model, tower):
        """The encodings and the profiles in which a model's tower is built."""
        encodings = self.encodings.of_both_towers
        if tower == "visual" and model in self.resnets:
            encodings = [n for n in self.encodings.all if n not in self._of_products]
        return encodings + self.profiles

    def files(self, model):
        """(graph, variant) of everything that is built of a model."""
        for tower in TOWERS:
            yield from ((tower, variant) for variant in self.variants(model, tower))
        yield from self._of_all()

    def possible_files(self):
        """(graph, variant) of all that may be built of a model, whichever `resnets` names."""
        for tower in TOWERS:
            yield from ((tower, variant) for variant in self.encodings.all + self.profiles)
        yield from self._of_all()

    def _of_all(self):
        for product in self.products:
            yield from ((product, encoding) for encoding in self.composed)
        yield PREPROCESS, "fp32"

    def files_and_pytorch(self, model):
        """The same, and OpenAI's own code, which is measured like a file."""
        yield from ((tower, PYTORCH) for tower in TOWERS)
        yield from self.files(model)
