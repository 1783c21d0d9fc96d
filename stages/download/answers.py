"""What a server's answer says of a file: which bytes of it follow, and how many it has."""

import datetime
import email.utils
import re
from typing import NamedTuple

from clip_onnx import command
from stages.download.addresses import shown
from stages.download.connection import Stalled

TRANSIENT = (408, 425, 429)  # and all from 500 on
LONGEST_WAIT = 300  # seconds that a server may ask for


class Misplaced(Exception):
    """Other bytes than those that were asked for: what is there cannot be gone on with."""


class Answer(NamedTuple):
    start: int  # where the bytes that follow belong
    total: int | None  # bytes of the whole file, if it is said


def read(url, response, have):
    """The Answer to a request for the bytes from `have` on.

    Raises Stalled where another attempt may do, Misplaced, or Refusal.
    """
    status = response.status_code
    if status >= 500 or status in TRANSIENT:
        raise Stalled(f"status {status}", _wait(url, response.headers.get("Retry-After", "")))
    if status not in (200, 206):
        raise command.Refusal(
            f"{shown(url)} answers with status {status}: correct `source` or `beside` in"
            " params.yaml, or CLIP_MIRROR"
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise command.Refusal(
            f"{shown(url)} sends the file encoded though it was asked for the plain one: correct"
            " `source` in params.yaml, or CLIP_MIRROR, to an address that does not"
        )
    if status == 200:
        chunked = "Transfer-Encoding" in response.headers  # which overrides what the length says
        return Answer(0, None if chunked else _number(response.headers.get("Content-Length", "")))
    said = response.headers.get("Content-Range", "")
    range = re.fullmatch(r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", said.strip(), re.ASCII)
    if range is None or int(range[1]) != have:
        raise Misplaced
    return Answer(have, _number(range[3]))


def _number(text):
    """A count of bytes, or None where a header holds no sensible one."""
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _wait(url, text):
    """Seconds of a Retry-After: a number, or a date. Refuses to sit out a long one."""
    seconds = _number(text.strip()) or 0
    if not seconds:
        try:
            date = email.utils.parsedate_to_datetime(text)
            seconds = (date - datetime.datetime.now(date.tzinfo)).total_seconds()
        except (ValueError, OverflowError):
            return 0
    if seconds > LONGEST_WAIT:
        raise command.Refusal(
            f"{shown(url)} asks to come back in {seconds:.0f} seconds: run this again then, or set"
            " CLIP_MIRROR to another base address"
        )
    return max(0, seconds)
