"""params.yaml: its schema, and the one function that reads it.

    python -m stages.params          check the file

A wrong key, type or reference is refused with its place in the file.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, StringConstraints, ValidationError

from stages import command
from stages.sections import AmountsBySize, Encoding, Model, Product, Profile, Section

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
TOWERS = ("visual", "textual")
PREPROCESS = "preprocess"  # the product that needs no tower
PYTORCH = "pytorch"  # the variant that is no file: OpenAI's own code in fp32
STD = "std"  # the profile whose graphs are encoded; the others' are finished
FINISHED_ONLY = ("batch", "length", "text", "normalize")  # options that encoding cannot start from
QUANTIZED_FROM = "fp32"  # the encoding that all but convert's start from
STAGES = {  # lists of grid.encodings, and the schemes that they may hold
    "convert": ("none", "half"),
    "quantize": ("weight_only",),
    "measured": ("mixed", "dynamic"),
    "static": ("static",),
}
PATCHES = Path(__file__).parent / "patches"
LABELS = Path("stages/labels")  # a folder, so that DVC sees which texts compose reads


class Encodings(Section):
    """Which stage builds which encodings."""

    convert: list[Slug]
    quantize: list[Slug]
    measured: list[Slug]
    static: list[Slug]

    @property
    def all(self):
        return [*self.convert, *self.quantize, *self.measured, *self.static]


class Grid(Section):
    models: Annotated[list[Slug], Field(min_length=1)]
    resnets: list[Slug]
    encodings: Encodings
    profiles: list[Slug]
    products: list[Slug]
    composed: list[Slug]  # the encodings that products are made of

    def variants(self, model, tower):
        """The encodings and the profiles in which a model's tower is built."""
        static = tower == "visual" and model in self.resnets
        encodings = [e for e in self.encodings.all if static or e not in self.encodings.static]
        return encodings + self.profiles

    def files(self, model):
        """(graph, variant) of everything that is built of a model."""
        for tower in TOWERS:
            yield from ((tower, variant) for variant in self.variants(model, tower))
        for product in self.products:
            yield from ((product, encoding) for encoding in self.composed)
        yield PREPROCESS, QUANTIZED_FROM

    def measured(self, model):
        """The same, and OpenAI's own code, which is measured like a file."""
        yield from ((tower, PYTORCH) for tower in TOWERS)
        yield from self.files(model)


class Evalset(Section):
    images: str
    captions: str
    crops: Annotated[int, Field(ge=0)]
    drawn: Annotated[int, Field(ge=1)]
    drawn_calibration: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]


class KnownAnswers(Section):
    picture: str | None


class Bundle(Section):
    encodings: list[Slug]
    profiles: list[Slug]
    products: list[Slug]


class Floor(Section):
    cosine_min: Annotated[float, Field(le=1)]
    snr_db: float
    accuracy_drop: Annotated[float, Field(ge=0)] | None = None  # share of the drawn pictures
    pixels_off: Annotated[float, Field(ge=0, le=1)] | None = None  # share that may differ, by 1


class Margin(Section):
    """A part of a figure, and what is added to it."""

    share: Annotated[float, Field(ge=0, lt=1)]
    least: Annotated[float, Field(ge=0)]


class Noise(Section):
    """How far figures may be from those in git, which then stay: stages/noise.py."""

    cosine: Margin  # of 1 - cosine
    snr_db: Annotated[float, Field(ge=0)]
    top1_inputs: Annotated[int, Field(ge=0)]
    error: Margin


class Params(Section):
    grid: Grid
    models: dict[Slug, Model]
    encodings: dict[Slug, Encoding]
    profiles: dict[Slug, Profile]
    products: dict[Slug, Product]
    evalset: Evalset
    inputs: Annotated[list[AmountsBySize], Field(min_length=1)]
    known_answers: KnownAnswers
    bundle: Bundle
    noise: Noise
    floors: dict[Slug, dict[Slug, dict[Slug, Floor]]]  # model, graph, variant


def load(path="params.yaml"):
    """The file as a `Params`. Raises Refusal naming the first wrong key and the remedy."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise command.Refusal(f"{path} is missing here: run from the project's root") from None
    except yaml.YAMLError as error:
        raise command.Refusal(f"{path}: {' '.join(str(error).split())}") from None
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise command.Refusal(f"{path}: {_explain(error.errors()[0])}") from None
    if params.inputs[-1].gflop is not None:
        raise command.Refusal(
            f"{path}: inputs: the last entry serves models of any size; take its `gflop` away"
        )
    for option in FINISHED_ONLY:
        if option in getattr(params.profiles.get(STD), "model_fields_set", ()):
            raise command.Refusal(
                f"{path}: profiles.{STD}.{option}: the encodings start from {STD}, which has both"
                " axes dynamic and gives plain embeddings; put it into a profile of its own"
            )
    for place, slug, taken in _new_names(params):
        if slug in taken:
            raise command.Refusal(f"{path}: {place}.{slug}: the name is taken; choose another")
    if bool(params.grid.products) != bool(params.grid.composed):
        raise command.Refusal(
            f"{path}: grid.products and grid.composed: name products and their encodings, or none"
        )
    for place, slug, known in _references(params):
        if slug not in known:
            listed = ", ".join(known) or "none"
            raise command.Refusal(f"{path}: {place}: {slug!r} is not among: {listed}")
    return params


def lookup(section, slug, name):
    """`section[slug]`, refused with the known slugs if it is missing."""
    if slug not in section:
        raise command.Refusal(f"params.yaml has no {name}.{slug}; known: {', '.join(section)}")
    return section[slug]


def _explain(error):
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; remove it or correct its spelling"
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    return f"{place}: {error['msg']}, not {error['input']!r}"[:400]


def _new_names(params):
    """(place, slug, the slugs it may not be) of what names folders, keys and files."""
    for slug in params.products:
        yield "products", slug, [*TOWERS, PREPROCESS, "model"]  # combined's name in bundles
    for slug in params.profiles:
        yield "profiles", slug, [*params.encodings, "control", "reference", PYTORCH]
    for slug in params.encodings:
        yield "encodings", slug, ["control", "reference", PYTORCH]


def _references(params):
    """(place, slug, the slugs it may be) of every name that must be defined elsewhere."""
    encodings = params.grid.encodings
    for stage, schemes in STAGES.items():
        known = [name for name, e in params.encodings.items() if e.scheme in schemes]
        for slug in getattr(encodings, stage):
            yield f"grid.encodings.{stage}", slug, known
    if encodings.all != encodings.convert or params.grid.products:
        yield "grid.encodings.convert", QUANTIZED_FROM, encodings.convert
    patches = sorted(path.stem for path in PATCHES.glob("[!_]*.py"))
    for name, profile in params.profiles.items():
        for patch in profile.patches:
            yield f"profiles.{name}.patches", patch, patches
    for slug in params.grid.models:
        yield "grid.models", slug, list(params.models)
    for slug in params.grid.resnets:
        yield "grid.resnets", slug, params.grid.models
    for slug in params.grid.profiles:
        yield "grid.profiles", slug, [name for name in params.profiles if name != STD]
    for slug in params.grid.products:
        yield "grid.products", slug, list(params.products)
    of_both_towers = [*encodings.convert, *encodings.quantize, *encodings.measured]
    for slug in params.grid.composed:
        yield "grid.composed", slug, of_both_towers
    for slug in params.bundle.encodings:
        yield "bundle.encodings", slug, params.grid.encodings.all
    for slug in params.bundle.profiles:
        yield "bundle.profiles", slug, params.grid.profiles
    for slug in params.bundle.products:
        yield "bundle.products", slug, [*params.grid.products, PREPROCESS]
    for model, graphs in params.floors.items():
        yield "floors", model, list(params.models)
        for graph, variants in graphs.items():
            yield f"floors.{model}", graph, [*TOWERS, PREPROCESS, *params.products]
            for variant in variants:
                known = [*params.encodings, *params.profiles]
                known += [PYTORCH] if graph in TOWERS else []
                yield f"floors.{model}.{graph}", variant, known


if __name__ == "__main__":
    command.run(load)
