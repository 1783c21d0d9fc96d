"""A server with faults drawn at random: the pinned file arrives, or one line says why not."""

import contextlib
import hashlib
import http.server
import threading
import time

import numpy as np
import pytest

from clip_onnx import command
from stages.download import connection, transfer

import budget

CONTENT = np.random.default_rng(0).bytes(60_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
STATUSES = [100, 204, 300, 304, 400, 401, 403, 404, 407, 408, 416, 425, 429, 500, 502, 503, 599]
HEADERS = {
    "Content-Length": ["-1", "x", "0", "70000", "100", "9" * 5000, "5, 7", "1e3", ""],
    "Content-Range": ["bytes 0-9/10", "bytes 5-1/2", "bytes */5", "x", "bytes 1-2/" + "9" * 30, ""],
    "Transfer-Encoding": ["chunked", "gzip", "identity"],
    "Content-Encoding": ["gzip", "identity", "br"],
    "Retry-After": ["0", "1", "-1", "x", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "99999"],
    "Location": ["/", "//", "http://", "ftp://u:s3cret@h/", "http://[", "http://u:s3cret@h:x/"],
}  # fmt: skip
FAULTS = ["well", "well", "cut", "cut", "status", "header", "offset", "slow", "changed", "ignore"]
FAULTS += ["redirect", "loop", "noise", "silent", "short"]
SLOW = 12  # seconds that no download here may take


class Handler(http.server.BaseHTTPRequestHandler):
    """One fault a request, drawn from `server.rng`."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        with contextlib.suppress(ConnectionError):
            self.serve(self.server.rng)
        self.close_connection = True

    def serve(self, rng):
        fault = str(rng.choice(self.server.faults))
        content = CONTENT[::-1] if fault == "changed" else CONTENT
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault == "noise":
            return self.wfile.write(rng.bytes(int(rng.integers(200))))
        if fault == "silent":
            return time.sleep(0.4)
        status, headers = (206 if start else 200), {}
        if start >= len(content):
            status, start = 416, len(content)
        if fault == "ignore":
            status, start = 200, 0
        headers["Content-Length"] = str(len(content) - start)
        if status == 206:
            place = max(0, start + int(rng.integers(-2, 3))) if fault == "offset" else start
            headers["Content-Range"] = f"bytes {place}-{len(content) - 1}/{len(content)}"
        if fault == "status":
            status = int(rng.choice(STATUSES))
        if fault == "header":
            name = str(rng.choice([*HEADERS]))
            headers[name] = str(rng.choice(HEADERS[name]))
        if fault in ("redirect", "loop"):
            status = int(rng.choice([301, 302, 303, 307, 308]))
            headers["Location"] = (
                "/again" if fault == "loop" else str(rng.choice(HEADERS["Location"]))
            )
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return self.body(fault, content[start:], rng)

    def body(self, fault, rest, rng):
        if fault == "cut":
            rest = rest[: int(rng.integers(len(rest) + 1))]
        if fault == "short":
            rest = rest[: int(rng.integers(5))]
        if fault == "slow":
            for byte in rest[:20]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
            return
        self.wfile.write(rest)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    monkeypatch.setattr(connection, "TIMEOUT", (2, 0.2))
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.url = f"http://u:s3cret@127.0.0.1:{server.server_port}/x?signature"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_bad_server_gives_the_file_or_one_line(server, tmp_path, capfd):
    def attempt(rng):
        """Whether the file arrived."""
        server.rng = np.random.default_rng(rng.integers(2**32))
        server.faults = rng.choice(FAULTS, rng.integers(1, 5))
        target = tmp_path / "file.pt"
        begun = time.monotonic()
        try:
            transfer.fetch(server.url, DIGEST, target)
            assert target.read_bytes() == CONTENT
            target.unlink()
            said = ""
        except command.Refusal as refusal:
            said = str(refusal)
            assert said.isprintable() and "s3cret" not in said and "signature" not in said
            assert not target.exists()
        assert time.monotonic() - begun < SLOW
        if rng.random() < 0.7:  # else what is left of this one is the next one's beginning
            target.with_name("file.pt.part").unlink(missing_ok=True)
        return not said

    whole = [attempt(rng) for rng in budget.rounds(np.random.default_rng)]
    assert "Traceback" not in capfd.readouterr().err
    assert any(whole)
    print(f"{len(whole)} downloads, {sum(whole)} of them whole")
