"""Captions of a text file, a line each, and the split that a line in it may set."""

from pathlib import Path

from clip_onnx import command
from clip_onnx.host import tokens
from clip_onnx.measure.inputs import CALIBRATION, EVALUATION
from stages.evalset import drawings

BORDER = "--- calibration ---"  # in any case, with blanks or a byte order mark about it
CALIBRATION_EVERY = 4  # of captions without a border, and of pictures
LONGEST = 2000  # characters; CLIP reads 77 tokens, OpenAI's code takes minutes over a long word
LARGEST = 100_000_000  # bytes of the file


def split_of(index):
    """The split of a user's n-th picture or caption."""
    return CALIBRATION if index % CALIBRATION_EVERY == CALIBRATION_EVERY - 1 else EVALUATION


def read(path):
    """{evaluation: captions, calibration: captions} of a text file, each different to CLIP.

    Those of evaluation begin with `prompts`. What OpenAI's tokenizer makes the same (it cleans
    and lower-cases) is one caption. Raises Refusal for one that stands in both splits.
    """
    lines = _lines(path)
    borders = [place for place, line in enumerate(lines) if tokens.clean(line) == BORDER]
    if len(borders) > 1:
        raise command.Refusal(
            f"{path}: the line {BORDER!r} stands there {len(borders)} times, evalset.captions"
            " takes one: remove the others"
        )
    if borders:
        split = {EVALUATION: lines[: borders[0]], CALIBRATION: lines[borders[0] + 1 :]}
    else:
        split = {EVALUATION: [], CALIBRATION: []}
        for index, line in enumerate(_distinct(lines).values()):
            split[split_of(index)].append(line)
    split = {name: _distinct(part) for name, part in split.items()}
    for name, part in split.items():
        if not part:
            raise command.Refusal(f"{path} has no {name} captions: evalset.captions needs some")
    split[EVALUATION] = _distinct([*prompts(), *split[EVALUATION].values()])
    for same in split[EVALUATION].keys() & split[CALIBRATION].keys():
        raise command.Refusal(
            f"{path}: {split[CALIBRATION][same]!r} stands in both splits (or names a drawing, as"
            " evaluation's first captions do; capitals count as small letters): remove one"
        )
    return {name: [*part.values()] for name, part in split.items()}


def _lines(path):
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise command.Refusal(f"{path} is no plain file: name a text in evalset.captions")
        if path.stat().st_size > LARGEST:
            raise command.Refusal(
                f"{path} has {path.stat().st_size} bytes: evalset.captions takes a text of captions"
                f" of at most {LARGEST}"
            )
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise command.Refusal(
            f"{path} is no readable UTF-8 text (evalset.captions): {error}"
        ) from None
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise command.Refusal(
                f"{path}: line {number} has {len(line)} characters, few models read a tenth: cut it"
                f" to {LONGEST} at most"
            )
    return lines


def _distinct(lines):
    """{what CLIP reads: the first caption that says it}; blank ones say nothing."""
    found = {}
    for line in lines:
        found.setdefault(tokens.clean(line), line)
    found.pop("", None)
    return found


def prompts():
    """A caption of each class from one template, and of every third class from another."""
    first, *others = drawings.PROMPTS
    yield from (first.format(label) for label in drawings.LABELS)
    for index, label in enumerate(drawings.LABELS[::3]):
        yield others[index % len(others)].format(label)
