"""params.yaml: its schema, and the one function that reads it.

    python -m clip_onnx.settings          check the file

A wrong key, type or reference is refused with its place in the file.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from clip_onnx import command
from clip_onnx.names import PREPROCESS, PYTORCH, STD, TOWERS
from clip_onnx.settings import reading
from clip_onnx.settings.encodings import Encoding
from clip_onnx.settings.grid import SCHEMES, Grid
from clip_onnx.settings.sections import (
    AmountsBySize,
    Bundle,
    Evalset,
    Floor,
    KnownAnswers,
    Model,
    Noise,
    Product,
    Profile,
    RuntimeFloor,
    Section,
    Slug,
)

# Options of profiles that encoding cannot start from.
FINISHED_ONLY = ("batch", "length", "text", "normalize", "names")
PATCHES = Path(__file__).parents[2] / "stages/patch/patches"
LABEL_FILES = Path("stages/compose/labels")  # a folder, so that DVC sees which texts compose reads


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
    default_floors: dict[Slug, dict[Slug, Floor]]  # graph, variant
    runtimes: dict[Slug, RuntimeFloor]

    @model_validator(mode="after")
    def _let_the_grid_know(self):
        self.grid.know(self.encodings)
        return self

    def floor(self, model, graph, variant):
        """The Floor of a model's file: its own, or else the default one, or None."""
        own = self.floors.get(model, {}).get(graph, {}).get(variant)
        return own or self.default_floors.get(graph, {}).get(variant)


def load(path="params.yaml"):
    """The file as a `Params`. Raises Refusal naming the first wrong key and the remedy."""
    content = reading.read(path)
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
                " axes dynamic, plain embeddings and the usual names; put it into another profile"
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
    for model in params.grid.models:
        if model not in params.floors:
            raise command.Refusal(
                f"{path}: floors: {model} is in grid.models and has no entry: add `{model}: {{}}`,"
                " and its floors once they are known"
            )
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
    found = repr(error["input"])
    said = "" if "://" in found else f", not {found}"  # an address may hold a password
    return f"{place}: {error['msg']}{said}"[:400]


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
    for group, schemes in SCHEMES.items():
        known = [name for name, e in params.encodings.items() if e.scheme in schemes]
        for slug in getattr(encodings, group):
            yield f"grid.encodings.{group}", slug, known
    patches = sorted(path.stem for path in PATCHES.glob("[!_]*.py"))
    for name, profile in params.profiles.items():
        for patch in profile.patches:
            yield f"profiles.{name}.patches", patch, patches
    for name, encoding in params.encodings.items():
        for slug in getattr(encoding, "models", ()):
            yield f"encodings.{name}.models", slug, list(params.models)
    for slug in params.grid.models:
        yield "grid.models", slug, list(params.models)
    for slug in params.grid.resnets:
        yield "grid.resnets", slug, params.grid.models
    for slug in params.grid.profiles:
        yield "grid.profiles", slug, [name for name in params.profiles if name != STD]
    for slug in params.grid.products:
        yield "grid.products", slug, list(params.products)
    for slug in params.grid.composed:
        yield "grid.composed", slug, encodings.of_both_towers
    for slug in params.bundle.encodings or ():
        yield "bundle.encodings", slug, encodings.all
    for slug in params.bundle.profiles or ():
        yield "bundle.profiles", slug, params.grid.profiles
    for slug in params.bundle.products or ():
        yield "bundle.products", slug, [*params.grid.products, PREPROCESS]
    for name, slug in params.bundle.layouts.items():
        yield f"bundle.layouts.{name}", slug, encodings.of_both_towers
    for model, graphs in params.floors.items():
        yield "floors", model, list(params.models)
        yield from _floor_references(params, f"floors.{model}", graphs)
    yield from _floor_references(params, "default_floors", params.default_floors)


def _floor_references(params, place, graphs):
    for graph, variants in graphs.items():
        yield place, graph, [*TOWERS, PREPROCESS, *params.products]
        for variant in variants:
            known = [*params.encodings, *params.profiles]
            known += [PYTORCH] if graph in TOWERS else []
            yield f"{place}.{graph}", variant, known
