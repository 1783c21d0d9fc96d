"""What the entries of params.yaml may hold: a model, an encoding, a profile, a product.

One class a kind of entry; clip_onnx/settings/params.py puts them together and reads the file.
"""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


Item = TypeVar("Item")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _plain(path):
    """A path as it can stand in a command line of dvc.yaml, between single quotes."""
    if not re.fullmatch(PLAIN, path) or path.startswith("-"):
        odd = sorted({c for c in path if not re.fullmatch(PLAIN, c)}) or [path[:1] or "nothing"]
        raise ValueError(
            f"{path!r} becomes part of a command, where {odd[0]!r} cannot stand: rename it, or name"
            f" a link to it; letters, digits, spaces and {PUNCTUATION} can"
        )
    return path


def _different(items):
    twice = [item for place, item in enumerate(items) if item in items[:place]]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice: remove one")
    return items


PUNCTUATION = "._/+,=@~()&#%-"
PLAIN = rf"[\w {re.escape(PUNCTUATION)}]+"
PlainPath = Annotated[str, AfterValidator(_plain)]
Different = Annotated[list[Item], AfterValidator(_different)]


Count = Annotated[int, Field(ge=2)] | None  # none: all


class Amounts(Section):
    """How many of the evaluation set's inputs a model is measured and calibrated on."""

    pictures: Count = None
    drawn: Count = None  # labelled drawings
    captions: Count = None  # besides those that name the drawings' classes
    calibration_pictures: Count = None
    calibration_captions: Count = None


class AmountsBySize(Amounts):
    """Those of models whose visual tower takes at most so many GFLOP a picture."""

    gflop: Annotated[float, Field(gt=0)] | None = None  # none: any


# Files that say what weights do not; stages/download reads them.
Beside = Literal[
    "config.json",
    "open_clip_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
]


RegistryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]


class Model(Section):
    source: str
    sha256: Sha256 | None = None
    beside: dict[Beside, Sha256 | None] = {}  # to fetch from where an address has its weights
    activation: Literal["quick_gelu", "gelu"] | None = None  # for files that do not say it
    open_clip: RegistryName | None = None  # or what the network is called in open_clip's registry
    inputs: Amounts | None = None  # what it says, instead of what `inputs:` says by size

    @property
    def remote(self):
        return self.source.startswith(("http://", "https://"))

    @model_validator(mode="after")
    def _paths_have_all_beside_them(self):
        if self.beside and not self.remote:
            raise ValueError(
                "beside is for addresses; of a path, the files there count: take it out"
            )
        return self

    @model_validator(mode="after")
    def _networks_have_one_activation(self):
        if self.activation and self.open_clip:
            raise ValueError("activation is what the network of open_clip's has: take it out")
        return self


# Inputs and outputs of the towers, and what else they may be called.
GraphValue = Literal["pixel_values", "image_embeds", "input_ids", "text_embeds", "eot_onehot"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=80)]


class Profile(Section):
    """Patches, and options of the whole graph; of the text, they leave visual towers alone."""

    patches: Different[str]
    opset: Annotated[int, Field(ge=10, le=23)] = 18
    batch: Annotated[int, Field(ge=1)] | None = None  # fixed axes; none: dynamic
    length: Annotated[int, Field(ge=3, le=1024)] | None = None  # or what the model reads, if less
    input_ids: Literal["int64", "int32"] = "int64"
    text: Literal["eot", "one-hot", "tokens"] = "eot"  # who finds the end token: clip_onnx/host
    normalize: bool = False
    names: dict[GraphValue, Name] | None = None  # others, for clients that feed by name
    operators: Different[str] | None = None  # those that may be left; none: all
    rank: Annotated[int, Field(ge=1)] | None = None  # the most dimensions of any value

    @model_validator(mode="after")
    def _tokens_are_no_embeddings(self):
        if self.text == "tokens" and self.normalize:
            raise ValueError("text: tokens has no embeddings to normalize; leave normalize out")
        if self.text == "tokens" and self.names:
            raise ValueError("text: tokens is for hosts that know the usual names; leave names out")
        if "eot_onehot" in (self.names or {}) and self.text != "one-hot":
            raise ValueError("names: eot_onehot is an input of text: one-hot alone; take it out")
        return self


class Combined(Section):
    """CLIP.forward: both towers, and how alike each picture and each text are."""

    kind: Literal["combined"]


class Classifier(Section):
    """Probabilities of labels for a picture."""

    kind: Literal["classifier"]
    labels: Annotated[Different[str], Field(min_length=2)] | str  # or a file of LABEL_FILES
    templates: Annotated[Different[str], Field(min_length=1)]  # prompts, {} is the label
    form: Literal["standard", "camera"] = "standard"


class Image(Section):
    """A picture of any size to its embedding."""

    kind: Literal["image"]
    normalize: bool = False  # whether embeddings are unit vectors


class Unit(Section):
    """A tower whose embeddings are unit vectors."""

    kind: Literal["unit"]
    tower: Literal["visual", "textual"]


Product = Annotated[Combined | Classifier | Image | Unit, Field(discriminator="kind")]


class Evalset(Section):
    images: PlainPath
    captions: PlainPath
    crops: Annotated[int, Field(ge=0, le=1000)]
    drawn: Annotated[int, Field(ge=1, le=100_000)]
    drawn_calibration: Annotated[int, Field(ge=0, le=100_000)]
    seed: Annotated[int, Field(ge=0)]


class KnownAnswers(Section):
    pictures: str | None  # a folder


class Bundle(Section):
    """What goes into the folders to ship; none: all that the grid builds."""

    encodings: Different[Slug] | None = None
    profiles: Different[Slug] | None = None
    products: Different[Slug] | None = None
    layouts: dict[Literal["immich", "triton"], Slug] = {}  # for other clients, and their encodings


class Floor(Section):
    cosine_min: Annotated[float, Field(le=1)]
    snr_db: float
    accuracy_drop: Annotated[float, Field(ge=0)] | None = None  # share of the drawn pictures
    pixels_off: Annotated[float, Field(ge=0, le=1)] | None = None  # share that may differ, by 1


class RuntimeFloor(Section):
    """The least worst cosine of a file in a foreign runtime: one of the two."""

    cosine: Annotated[float, Field(le=1)] | None = None  # with OpenAI's code
    runtime_cosine: Annotated[float, Field(le=1)] | None = None  # with ONNX Runtime on the file

    @model_validator(mode="after")
    def _is_one(self):
        if (self.cosine is None) == (self.runtime_cosine is None):
            raise ValueError("give either cosine or runtime_cosine")
        return self


class Margin(Section):
    """A part of a figure, and what is added to it."""

    share: Annotated[float, Field(ge=0, lt=1)]
    least: Annotated[float, Field(ge=0)]


class Noise(Section):
    """How far figures may be from those in git, which then stay: stages/report/noise.py."""

    cosine: Margin  # of 1 - cosine
    snr_db: Annotated[float, Field(ge=0)]
    top1_inputs: Annotated[int, Field(ge=0)]
    error: Margin
