"""SHA-256 of files, and lists of them as sha256sum writes and reads them."""

import hashlib
import re

LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of(paths, folder):
    """{path relative to a folder: SHA-256}."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


def text(digests):
    """What `sha256sum -c` reads, of {path: SHA-256}."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def read(path):
    """{path: SHA-256} of a list. Raises ValueError, which says what is wrong with it."""
    found = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{number}: no line of sha256sum's")
        if match[2] in found:
            raise ValueError(f"{number}: a file that stands there twice")
        found[match[2]] = match[1]
    return found
