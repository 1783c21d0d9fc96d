"""Names of tensors in a message: the first three, and how many there are besides."""

from clip_onnx import command

MOST = 3
LONGEST = 80  # characters of a name


def listed(names):
    """Names in the order of the alphabet, in one line."""
    return shortened([printable(name) for name in sorted(names)])


def shortened(phrases):
    more = len(phrases) - MOST
    return ", ".join(phrases[:MOST]) + (f" and {more} more" if more > 0 else "")


def printable(name):
    """A name as it can stand in a line, whatever characters are in it."""
    name = command.one_line(name) or '""'
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
