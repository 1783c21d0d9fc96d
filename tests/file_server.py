"""A local HTTP server that behaves as badly as the internet, and what its clients' tests share."""

import contextlib
import hashlib
import http.server
import threading

import numpy as np
import pytest

from clip_onnx import command
from stages.download import connection, transfer

CONTENT = np.random.default_rng(0).bytes(3 * connection.CHUNK + 12345)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SECRETS = ("alice", "s3cret", "signature")
LOGIN = "alice:s3cret@"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.content`, or of a path in `server.files` these bytes, or 404 for None.

    A request takes the next of `server.moods`, the last one stays.

    A mood is a status, (a status, headers), or a word.
    """

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        mood = server.moods.pop(0) if len(server.moods) > 1 else server.moods[0]
        server.requests.append((self.path, self.headers["Range"]))
        content = server.files.get(self.path, server.content)
        if content is None:
            return self.answer(404, {})
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if isinstance(mood, int | tuple):
            status, headers = mood if isinstance(mood, tuple) else (mood, {})
            return self.answer(status, headers)
        if "no range" not in mood and start >= len(content) > 0:
            return self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
        if "no range" in mood:
            start = 0
        headers = {"Content-Length": len(content) - start}
        if start:
            place = start - 1 if mood == "wrong offset" else start
            headers["Content-Range"] = f"bytes {place}-{len(content) - 1}/{len(content)}"
        if mood == "no Content-Range":
            headers.pop("Content-Range", None)
        if mood in SAID:
            headers |= SAID[mood]
        self.answer(206 if start else 200, headers)
        with contextlib.suppress(ConnectionError):
            self.body(mood, content[start:])
        return None

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def body(self, mood, rest):
        self.close_connection = True
        if mood in ("drop", "stall"):
            self.wfile.write(rest[: connection.CHUNK + 7])
            if mood == "stall":
                self.server.released.wait(20)
        elif mood == "drop early":
            self.wfile.write(rest[:100_000])
        elif mood == "drip":
            for byte in rest:
                self.wfile.write(bytes([byte]))
                if self.server.released.wait(0.05):
                    break
        else:
            self.wfile.write(rest)


SAID = {  # headers that a mood changes
    "too long": {"Content-Length": len(CONTENT) + 1000},
    "too long, no range": {"Content-Length": len(CONTENT) + 1000},
    "no length": {"Content-Length": "many"},
    "negative": {"Content-Length": "-5"},
    "absurd": {"Content-Length": "9" * 5000},
    "gzip": {"Content-Encoding": "gzip"},
}


@contextlib.contextmanager
def running(monkeypatch):
    """A server that is alone with its client: no mirror, proxy or certificates of the machine's."""
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(connection, "TIMEOUT", (2, 0.5))
    for name in ("CLIP_MIRROR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.moods, server.requests = CONTENT, ["well"], []
        server.files = {}
        server.released = threading.Event()
        server.url = f"http://{LOGIN}127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def fetch(server, tmp_path):
    target = tmp_path / "file.pt"
    transfer.fetch(f"{server.url}/file.pt?signature=x", DIGEST, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.pt"]
    return [asked for _, asked in server.requests]


def refusal(server, tmp_path):
    with pytest.raises(command.Refusal) as caught:
        transfer.fetch(f"{server.url}/file.pt?signature=x", DIGEST, tmp_path / "file.pt")
    assert not (tmp_path / "file.pt").exists()
    return one_line(caught.value)


def one_line(error):
    assert "\n" not in str(error)
    assert not any(secret in str(error) for secret in SECRETS)
    return str(error)
