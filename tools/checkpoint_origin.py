"""Whose weights a checkpoint holds, for whoever reads a model card.

OpenAI's are told by their SHA-256, which their addresses in params.yaml carry, and the shipped
models by the files in data/tiny. Of any other the publisher has to say it: a file of random weights
looks like a trained one.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from clip_onnx import command
from stages.download.addresses import OFFICIAL

TINY = Path("data/tiny")
MIT = "mit"
STATED = ("trained", "random")


class Origin(NamedTuple):
    label: str  # how the card's title goes on
    text: str
    license: str
    notice: str
    figures: str = "Figures"  # what the card calls them


OPENAI = Origin(
    "OpenAI's weights",
    "The weights are OpenAI's, as published with CLIP.",
    MIT,
    "The weights and the tokenizer are OpenAI's CLIP, MIT licence, Copyright (c) 2021 OpenAI.",
)
DRAWINGS = Origin(
    "a small test model",
    "The weights are not OpenAI's: a small CLIP, trained by clip-onnx on pictures that it draws,"
    " for tests of software. It knows shapes and colours and nothing of photographs.",
    MIT,
    "The weights are clip-onnx's, MIT licence. The tokenizer and the architecture are OpenAI's"
    " CLIP, MIT licence, Copyright (c) 2021 OpenAI.",
)
RANDOM = Origin(
    "RANDOM WEIGHTS",
    "**The weights are random.** The model knows nothing; it is for work on memory, size and speed."
    " Its figures are synthetic: they compare encodings and say nothing of trained weights.",
    MIT,
    "The tokenizer and the architecture are OpenAI's CLIP, MIT licence, Copyright (c) 2021 OpenAI.",
    "Synthetic figures",
)


def trained(license_name):
    """Weights of others than OpenAI, under a licence that only they know."""
    return Origin(
        "not OpenAI's weights",
        "The weights are not OpenAI's: a checkpoint that was trained or tuned by others, in the"
        " architecture of CLIP.",
        license_name,
        f"The weights are under the licence {license_name}. The tokenizer and the architecture are"
        " OpenAI's CLIP, MIT licence, Copyright (c) 2021 OpenAI.",
    )


def known(settings, sha256):
    """The origin that a checksum tells, or None."""
    openai = {m.sha256 for m in settings.models.values() if m.source.startswith(OFFICIAL)}
    if sha256 in openai:
        return OPENAI
    shipped = {hashlib.sha256(path.read_bytes()).hexdigest() for path in TINY.glob("*.pt")}
    return DRAWINGS if sha256 in shipped else None


def of(settings, name, sha256, stated=None, license_name=None):
    """A model's Origin. `stated` is one of STATED, or None where the checksum is known.

    Raises Refusal where nobody says it, or where what is said is known to be otherwise.
    """
    found = known(settings, sha256)
    if found and (stated or license_name):
        raise command.Refusal(
            f"{name}: its SHA-256 says that it is {found.label}: leave WEIGHTS and LICENSE out"
        )
    if found:
        return found
    if stated == "random":
        return RANDOM
    if stated == "trained" and license_name:
        return trained(license_name)
    raise command.Refusal(
        f"{name}: its checkpoint is none of OpenAI's: say WEIGHTS=random, or WEIGHTS=trained with"
        " LICENSE=, its licence's name"
    )
