"""Where a checkpoint comes from: addresses, mirrors and paths, and how a message shows them."""

import os
import re
from pathlib import Path

from clip_onnx import command

OFFICIAL = "https://openaipublic.azureedge.net/clip/models"  # what CLIP_MIRROR stands in for
HTTP = ("http://", "https://")


def mirrored(url):
    """The address to ask: CLIP_MIRROR, if it is set, replaces the base of OpenAI's addresses."""
    mirror = os.environ.get("CLIP_MIRROR", "").strip()
    if not mirror or not url.startswith(OFFICIAL):
        return url
    if not mirror.startswith(HTTP) or re.search(r"[?#\s]", mirror):
        raise command.Refusal(
            f"CLIP_MIRROR ({shown(mirror)}) is no base address: give one that begins with https://"
            " or http:// and has no query, or unset it"
        )
    return mirror.rstrip("/") + url.removeprefix(OFFICIAL)


def local_path(source):
    """The path that a `source` without http names; `file:` and `file://` may stand before it."""
    path = source.removeprefix("file://").removeprefix("file:")
    if "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path):
        raise command.Refusal(
            f"{shown(source)} is no path, for it holds a character that none can: correct its"
            " `source` in params.yaml"
        )
    if "://" in path:
        raise command.Refusal(
            f"{shown(source)} is neither a path nor an address of http:// or https://: correct its"
            " `source` in params.yaml"
        )
    return Path(path)


def shown(address):
    """An address as messages have it: without user name, password, query and fragment."""
    scheme, _, rest = address.rpartition("://") if "://" in address else ("", "", address)
    authority, path = re.match(r"([^/\\?#]*)([^?#]*)", rest).groups()
    if "@" in rest[len(authority) :]:  # of a password that holds a slash, perhaps
        authority, path = "…", ""
    start = f"{scheme.rpartition('@')[2]}://" if scheme else ""
    text = start + authority.rpartition("@")[2] + path
    return text if text.isprintable() else ascii(text)[1:-1]
