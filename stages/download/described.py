"""The JSON files that lie beside weights: configurations, and the index of shards."""

import json

from clip_onnx import command

LONGEST = 60  # characters of a value that a message repeats


def read(path):
    """The object in a JSON file, {} if there is no such file. Raises Refusal naming the file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
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


def _no_number(name):
    raise ValueError(f"{name} is no number of JSON's")


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
