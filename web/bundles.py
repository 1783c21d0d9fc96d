"""A bundle's folder as the site reads it: it may come from elsewhere, so nothing in it is believed.

What its JSON files say has to be of the right form, and every file that they name has to lie in the
folder itself: no name leads out of it, and no link.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated

import onnx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from clip_onnx import command

# A name that hides nothing and leads nowhere else, in letters that mean nothing in an address.
STEP = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"
LONGEST = 500  # characters of such a path: what is longer file systems may not take


def _plain(name):
    if len(name) > LONGEST or not re.fullmatch(f"{STEP}(?:/{STEP})*", name):
        raise ValueError("no plain path in the folder")
    return name


Name = Annotated[str, AfterValidator(_plain)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+\.[a-z0-9-]+$")]
Channels = Annotated[list[float], Field(min_length=3, max_length=3)]
Labels = TypeAdapter(Annotated[list[str], Field(min_length=1)])


class Content(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class File(Content):
    key: Key  # model.graph.variant
    graph: str


class Listed(Content):
    files: dict[Name, File]


class Golden(Listed):
    logit_scale: Annotated[float, Field(gt=0)]
    end_id: int | None = None  # of the token that ends a text, where tokens are not CLIP's


class Parity(Content):
    cosine_min: float | None = None
    cosine_mean: float | None = None
    snr_db: float | None = None
    inputs: int | None = None


class InRuntime(Content):
    cosine: float | None = None
    runtime_cosine: float | None = None
    inputs: int | None = None


class Metrics(Content):
    """metrics.json of a release: what was measured of its files, by model, graph and variant."""

    parity: dict[str, dict[str, dict[str, Parity]]]
    runtimes: dict[str, dict[str, dict[str, dict[str, InRuntime]]]] = {}


class Towers(Content):
    tower: str | None = None  # of a bundle of one; no other has the name


class Crop(Content):
    height: Annotated[int, Field(gt=0)]


class Size(Content):
    longest_edge: int | None = None


class Preprocessor(Content):
    crop_size: Crop
    size: Size | int | None = None
    do_center_crop: bool = True
    image_mean: Channels
    image_std: Channels

    @property
    def resize(self):
        """As clip_onnx.host.preparation calls it."""
        if not self.do_center_crop:
            return "squash"
        filled = isinstance(self.size, Size) and self.size.longest_edge
        return "longest" if filled else "shortest"


class Tokenizer(Content):
    model_max_length: Annotated[int, Field(gt=0)]


class Config(Content):
    projection_dim: Annotated[int, Field(gt=0)]


def found(folder):
    """The bundles in a folder. Raises Refusal for a name that would be another address."""
    for path in sorted(folder.glob("*/golden.json")):
        if not re.fullmatch(STEP, path.parent.name):
            raise command.Refusal(f"{path.parent}: rename it in letters, digits, '-', '_' and '.'")
        yield path.parent


def whole(folder):
    """Whether a bundle has both towers; the pages compare pictures with texts."""
    return read(folder, "golden.json", Towers).tower is None


def read(folder, name, schema):
    """A JSON file of the folder as one of the classes above."""
    path = present(folder, name)
    try:
        return schema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
    place = ascii(".".join(map(str, wrong["loc"])))[1:-1]
    if wrong["type"] == "missing":
        reason = f"has no {place}"
    elif wrong["type"] == "json_invalid":
        reason = f"cannot be read ({wrong['msg']})"
    else:
        reason = f"is of another form ({place or 'the whole'}: {wrong['msg']})"
    raise command.Refusal(f"{path} {reason}: build it with `make`, or copy it again")


def present(folder, name):
    """The path of a bundle's file. Raises Refusal if it is not there, or lies elsewhere."""
    path = Path(folder) / name
    if path.resolve() != Path(folder).resolve() / name:
        raise command.Refusal(
            f"{path} is a link, or leads out of its folder: copy the bundle with `cp -rL`"
        )
    if not path.is_file():
        raise command.Refusal(f"{path} is missing: build the bundle with `make`")
    return path


def described(folder, name):
    """{"path", "bytes", "sha256"} of a bundle's file, its path with the folder's name."""
    path = present(folder, name)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": f"{folder.name}/{name}", "bytes": path.stat().st_size, "sha256": digest}


def labels(folder, name):
    """The labels of a classifier of `pixel_values`, or None: other inputs are for other hosts."""
    path = present(folder, name)
    try:
        model = onnx.load(path, load_external_data=False)
        if model.graph.input[0].name != "pixel_values":
            return None
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        return Labels.validate_json(metadata["labels"])
    except Exception as error:  # protobuf's own, and what is missing in a graph
        raise command.Refusal(
            f"{path} is no classifier with labels ({command.first_line(error)}):"
            " build it with `make`, or copy it again"
        ) from None
