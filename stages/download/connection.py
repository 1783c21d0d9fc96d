"""One request over HTTP, and in plain words why it failed.

The libraries' own messages quote addresses whole, with passwords and signed queries, and may take
several lines: none of them is passed on. What they raise is told apart by its type.
"""

import contextlib
import http.client
import re
import socket
import ssl
import time
import urllib.parse

import requests

from clip_onnx import command
from stages.download.addresses import HTTP, shown

CHUNK = 1 << 20  # the most bytes at once
TIMEOUT = (10, 30)  # seconds to connect, and without a byte
HOPS = 20  # redirects
SLOWEST = 1000  # bytes a second, over as long as a connection may be silent
PROXY = "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
ADDRESS = "it is no address", "correct `source` in params.yaml, or CLIP_MIRROR"
TRUST = "set REQUESTS_CA_BUNDLE to a file of the certificates that your network uses"


class Stalled(Exception):
    """This attempt failed in a way that another may not, after `wait` seconds at the earliest."""

    def __init__(self, reason, wait=0):
        super().__init__(reason)
        self.wait = wait


class _Session(requests.Session):
    def get_redirect_target(self, resp):
        return None  # `_follow` does: requests reads the whole of what comes with a redirect


@contextlib.contextmanager
def ask(url, start=0):
    """The open answer (requests.Response) to a request for the bytes from `start` on.

    Raises Stalled, or Refusal where asking again is of no use.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _Session() as session:
        with _plain_words(url):
            response = _follow(session, url, headers)
        with response:
            yield response


def _follow(session, url, headers):
    """The first answer that is no redirect."""
    origin = url
    for _ in range(HOPS + 1):
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
        if not response.is_redirect:
            return response
        response.close()
        target = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
        url = urllib.parse.urljoin(url, target)
        if not url.startswith(HTTP):
            raise command.Refusal(
                f"{shown(origin)} leads to {shown(url)}, which is no address of http or https:"
                " correct `source` in params.yaml, or CLIP_MIRROR"
            )
    raise command.Refusal(
        f"{shown(origin)} leads from one address to another more than {HOPS} times: correct"
        " `source` in params.yaml, or CLIP_MIRROR"
    )


def pieces(response):
    """The bytes of an answer as they arrive. Raises Stalled, also where they come too slowly."""
    begun, count = time.monotonic(), 0
    while True:
        with _plain_words(response.url):
            piece = response.raw.read1(CHUNK, decode_content=False)
        if not piece:
            return
        yield piece
        count += len(piece)
        seconds = time.monotonic() - begun
        if seconds >= TIMEOUT[1]:
            if count < SLOWEST * seconds:
                raise Stalled(f"{count / seconds:.0f} bytes a second, too slow to go on")
            begun, count = time.monotonic(), 0


@contextlib.contextmanager
def _plain_words(url):
    try:
        yield
    except command.Refusal:
        raise
    except Exception as error:  # requests lets many of its parts' exceptions through
        reason, remedy = _explained([*_chain(error)])
        if remedy:
            raise command.Refusal(f"{shown(url)} cannot be fetched: {reason}; {remedy}") from None
        raise Stalled(reason) from None


def _chain(error):
    """An exception and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explained(chain):
    """(what happened, what to do or None where another attempt may help)."""
    names = [type(error).__name__ for error in chain]
    texts = " ".join(map(str, chain))
    tunnel = re.search(r"Tunnel connection failed: (\d+)", texts)
    if tunnel:
        return f"the proxy answers with status {tunnel[1]}", PROXY
    # TypeError: what requests makes of a proxy without a host
    proxies = {"InvalidProxyURL", "ProxySchemeUnknown", "TypeError"}
    if proxies & {*names} or "SOCKS support" in texts:
        return "its proxy is no address of http", PROXY
    if "CA certificate bundle" in texts or "NO_CERTIFICATE_OR_CRL_FOUND" in texts:
        return "REQUESTS_CA_BUNDLE names no file of certificates", TRUST
    if isinstance(chain[0], ValueError) and "InvalidHeader" not in names:
        return ADDRESS
    for error in reversed(chain):  # the innermost says most
        reason, remedy = _said(error)
        if reason:
            through = "the proxy (HTTP_PROXY, HTTPS_PROXY): " if "ProxyError" in names else ""
            return through + reason, remedy
    return f"the connection failed ({names[-1]})", None


def _said(error):
    """What one exception says, as `_explained` does; no reason if it says nothing of use."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})", TRUST
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({error.reason})", None
    if isinstance(error, socket.gaierror):
        return f"its host is unknown ({error.strerror})", None
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection closed without an answer", None
    if isinstance(error, http.client.IncompleteRead):
        return "the connection closed early", None
    if isinstance(error, TimeoutError) and not error.strerror:
        return "no connection, or no byte, in time", None
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, None
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "its headers contradict each other", None
    if isinstance(error, http.client.InvalidURL):
        return ADDRESS
    if isinstance(error, http.client.HTTPException):
        return "it answers in no good HTTP", None
    return None, None
