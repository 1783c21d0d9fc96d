"""A folder of one's own pictures, as DVC must read it before the first stage does.

DVC hashes every file of `evalset.images`: it waits for ever on a pipe, and ends without naming the
file on a name that is not UTF-8, on a link that leads nowhere and on a socket. The stage itself
would leave them out.
"""

import os
from pathlib import Path

from clip_onnx import command


def check(images):
    """Refuse a folder that holds what DVC cannot hash, by its name. `images` may be a table."""
    for folder, _, names in os.walk(images):
        for name in names:
            path = Path(folder, name)
            if why := reason(path):
                raise command.Refusal(
                    f"{str(path)!r} {why}: move it out of evalset.images, for DVC cannot hash it"
                )


def reason(path):
    """Why DVC cannot hash a file, or None."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if not path.exists():
        return "is a link that leads nowhere"
    return None if path.is_file() else "is a pipe, a socket or a device"
