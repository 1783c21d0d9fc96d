"""The JSON files that lie beside weights: configurations, and the index of shards."""

import json
import math
from pathlib import Path

from clip_onnx import command

LONGEST = 60  # characters of a value that a message repeats


def read(path):
    """The object in a JSON file, {} if there is no such file. Raises Refusal naming the file."""
    if not path.exists():
        return {}
    try:
        text = path.read_text("utf-8")
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except OSError as error:
        raise command.Refusal(
            f"{path} cannot be read ({error.strerror}): mend or remove it"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = command.first_line(error)
        raise command.Refusal(f"{path} is no JSON, mend or remove it: {reason}") from None
    if not isinstance(content, dict):
        raise command.Refusal(f"{path} holds {shown(content)}, no object: mend or remove it")
    return content


def beside(path, name):
    """Where a file of this name lies beside weights (or in a folder of them), or beside the file
    that a link to them leads to."""
    path = Path(path)
    folders = [path] if path.is_dir() else [path.absolute().parent, path.resolve().parent]
    found = [folder / name for folder in folders if (folder / name).exists()]
    return found[0] if found else folders[0] / name


def _finite(text):
    """The number that a text is, refused where it is none, or beyond every float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON's")
    return number


def section(content, name, place):
    """The object under `name`, or None where there is none."""
    found = content.get(name)
    if found is not None and not isinstance(found, dict):
        raise command.Refusal(f"{name} of {place} is {shown(found)}, no object: mend or remove it")
    return found


def shown(value):
    """A JSON value in one short line, whatever characters are in it."""
    text = json.dumps(value, allow_nan=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
