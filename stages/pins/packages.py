"""Packages: what requirements.in names, the lock pins, and this environment holds."""

import re
from importlib import metadata

from packaging.requirements import Requirement


def direct(requirements):
    """Names of the packages of a requirements.in, in its spelling."""
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    return [re.match(r"[A-Za-z0-9._-]+", line)[0] for line in lines if line]


def groups(requirements):
    """{heading: names} of the packages below each heading: a comment that starts with a word in
    lower case, after which a colon may follow. A blank line ends a group."""
    found = {}
    for block in requirements.split("\n\n"):
        heading = re.match(r"# ([a-z]+)(:|$)", block, re.MULTILINE)
        if heading:
            found[heading[1]] = direct(block)
    return found


def versions(lock):
    """{name: version} of every pin of a requirements.lock that is meant for this Python."""
    lines = re.findall(r"^[a-z0-9._-]+==[^\\\n]+", lock, re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    return {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def installed_versions(name):
    """The spellings of a package's version: with its local part (`+cpu`) and without."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return ["none"]
    return [version, version.split("+")[0]]
