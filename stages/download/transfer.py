"""Fetching a file over HTTP so that an interruption costs nothing.

Bytes go to `<target>.part`, which outlives a dropped connection and a killed run: the next
attempt asks for the rest (HTTP Range), or begins again where the server ignores that. The SHA-256
is computed while they stream in. If pieces of several answers do not make the file that is pinned,
the file may have changed between them, or a server gave other bytes than were asked for: all is
fetched once more before the pin is doubted.
"""

import hashlib
import shutil
import sys
import time

from tqdm import tqdm

from clip_onnx import command
from stages.download import answers, connection
from stages.download.addresses import shown

PART = ".part"
ATTEMPTS = 5  # in a row that bring less than connection.SLOWEST
PAUSE = 1.0  # seconds before the second attempt; doubled before each one after


def fetch(url, sha256, target, again=True):
    """Download `url` to the path `target`, whose bytes must have this SHA-256; any, if it is None,
    and then from the start.

    Returns the path. What was at `target` before is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}{PART}")
    if sha256 is None:  # nothing would tell whether its pieces are of one file
        part.unlink(missing_ok=True)
    try:
        digest, pieced = _persist(url, part)
        problem = (
            f"has SHA-256 {digest}, params.yaml pins {sha256}: the address serves another file;"
            " correct the pin or the address"
        )
    except answers.Misplaced:
        digest, pieced = None, True
        problem = (
            "sends other bytes than it is asked for when a download goes on: set CLIP_MIRROR to"
            " another base address, or give the file as `source: file:PATH`"
        )
    if digest is not None and sha256 in (digest, None):
        return part.replace(target)
    part.unlink(missing_ok=True)
    if pieced and again:
        return fetch(url, sha256, target, again=False)
    raise command.Refusal(f"{shown(url)} {problem}")


def _persist(url, part):
    """Attempt until `part` is whole. Returns what `_attempt` does."""
    failures, stalled = 0, connection.Stalled("")
    while failures < ATTEMPTS:
        begun = time.monotonic()
        if failures:
            pause = max(PAUSE * 2 ** (failures - 1), stalled.wait)
            print(f"asking again in {pause:.0f} seconds: {stalled}", file=sys.stderr)
            time.sleep(pause)
        before = size(part)
        try:
            return _attempt(url, part)
        except connection.Stalled as error:
            stalled = error
        enough = connection.SLOWEST * (time.monotonic() - begun)
        failures = 1 if size(part) - before > enough else failures + 1
    raise command.Refusal(
        f"{shown(url)} cannot be fetched ({stalled}): try again to go on from where it stopped, set"
        " CLIP_MIRROR to another base address, or give the file as `source: file:PATH`"
    )


def size(path):
    return path.stat().st_size if path.exists() else 0


def _attempt(url, part):
    """Ask once for what `part` lacks. Returns (digest of the whole, whether it is of pieces)."""
    have = size(part)
    with connection.ask(url, have) as response:
        if have and response.status_code == 416:  # nothing lies behind what we have: is it all?
            return _digest(part).hexdigest(), True
        start, total = answers.read(url, response, have)
        digest = _digest(part) if start else hashlib.sha256()
        _stream(response, part, digest, start, total)
    if total is not None and size(part) < total:
        raise connection.Stalled(f"the connection closed after {size(part)} of {total} bytes")
    return digest.hexdigest(), start > 0


def _stream(response, part, digest, start, total):
    _check_space(part, max(0, (total or 0) - start))
    with (
        open(part, "ab" if start else "wb") as file,
        tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem) as bar,
    ):
        for piece in connection.pieces(response):
            if total is None:  # no end was promised: never fill the disk
                _check_space(part, len(piece))
            elif file.tell() + len(piece) > total:
                raise answers.Misplaced
            file.write(piece)
            digest.update(piece)
            bar.update(len(piece))


def _check_space(part, missing):
    """Refuse before the first byte if the disk cannot hold the file and its conversion."""
    needed = 2 * missing + size(part)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise command.Refusal(
            f"{part.parent} has {free} bytes free, the download and its conversion need {needed}:"
            " make room or move the project"
        )


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256")
