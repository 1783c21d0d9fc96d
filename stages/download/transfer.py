"""Fetching a file over HTTP so that an interruption costs nothing.

Bytes go to `<target>.part`, which outlives a dropped connection and a killed run: the next
attempt asks for the rest (HTTP Range), or begins again where the server ignores that. The SHA-256
is computed while they stream in.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

import requests
from tqdm import tqdm

from clip_onnx import command

OFFICIAL = "https://openaipublic.azureedge.net/clip/models"  # what CLIP_MIRROR stands in for
CHUNK = 1 << 20
TIMEOUT = (10, 30)  # seconds to connect, and without a byte
ATTEMPTS = 5  # in a row that bring no new byte
PAUSE = 1.0  # seconds before the second attempt; doubled before each one after
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Stalled(Exception):
    """This attempt failed in a way that another may not."""


def mirrored(url):
    """The address to ask: CLIP_MIRROR, if it is set, replaces the base of OpenAI's addresses."""
    mirror = os.environ.get("CLIP_MIRROR")
    return url.replace(OFFICIAL, mirror.rstrip("/"), 1) if mirror else url


def fetch(url, sha256, target):
    """Download `url` to the path `target`, whose bytes must have this SHA-256. Returns the path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    resumed = part.exists()
    digest = _persist(url, part)
    if digest != sha256:
        part.unlink()
        if resumed:  # what was left of an earlier run may be at fault: once more from the start
            return fetch(url, sha256, target)
        raise command.Refusal(
            f"{url} has SHA-256 {digest}, params.yaml pins {sha256}: the address serves another"
            " file; correct the pin or the address"
        )
    return part.rename(target)


def _persist(url, part):
    """Attempt until `part` is whole. Returns its digest."""
    failures, reason = 0, ""
    while failures < ATTEMPTS:
        if failures:
            time.sleep(PAUSE * 2 ** (failures - 1))
        before = size(part)
        try:
            return _attempt(url, part)
        except Stalled as error:
            reason = str(error)
            failures = 1 if size(part) > before else failures + 1
    raise command.Refusal(
        f"{url} cannot be fetched ({reason}): try again to go on from where it stopped, set"
        " CLIP_MIRROR to another base address, or give the file as `source: file:PATH`"
    )


def size(path):
    return path.stat().st_size if path.exists() else 0


def _attempt(url, part):
    """Ask once for what `part` lacks. Returns the digest of the whole. Raises Stalled."""
    have = size(part)
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == 416:  # nothing lies behind what we have: is it all?
                return _digest(part).hexdigest()
            _check_status(url, response)
            if response.status_code != 206:
                have = 0
            total = have + int(response.headers.get("Content-Length", 0))
            _check_space(part, total - have)
            digest = _digest(part) if have else hashlib.sha256()
            _stream(response, part, digest, have, total)
    except BROKEN as error:
        raise Stalled(_short(error)) from None
    if size(part) < total:
        raise Stalled(f"the connection closed after {size(part)} of {total} bytes")
    return digest.hexdigest()


def _check_status(url, response):
    if response.status_code >= 500 or response.status_code == 429:
        raise Stalled(f"status {response.status_code}")
    if response.status_code >= 400:
        raise command.Refusal(
            f"{url} answers with status {response.status_code}: correct `source` in params.yaml,"
            " or CLIP_MIRROR"
        )


def _check_space(part, missing):
    """Refuse before the first byte if the disk cannot hold the file and its conversion."""
    needed = 2 * missing + size(part)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise command.Refusal(
            f"{part.parent} has {free} bytes free, the download and its conversion need {needed}:"
            " make room or move the project"
        )


def _stream(response, part, digest, have, total):
    with (
        open(part, "ab" if have else "wb") as file,
        tqdm(total=total or None, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
    ):
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            bar.update(len(chunk))


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256")


def _short(error):
    """requests wraps its reasons several times; the innermost one says most."""
    while error.__context__ is not None:
        error = error.__context__
    return command.first_line(error)


def local_path(source):
    """The path that a `source` without http names; `file:` and `file://` may stand before it."""
    return Path(source.removeprefix("file://").removeprefix("file:"))
