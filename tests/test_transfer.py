"""The real download code against a local server that behaves as badly as the internet."""

import contextlib
import email.utils
import hashlib
import http.server
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import numpy as np
import pytest

from clip_onnx import command, openai
from clip_onnx.settings import params
from stages.download import addresses, connection, transfer

import small

CONTENT = np.random.default_rng(0).bytes(3 * connection.CHUNK + 12345)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SECRETS = ("alice", "s3cret", "signature")
LOGIN = "alice:s3cret@"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.content`; a request takes the next of `server.moods`, the last one stays.

    A mood is a status, (a status, headers), or a word.
    """

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        mood = server.moods.pop(0) if len(server.moods) > 1 else server.moods[0]
        server.requests.append((self.path, self.headers["Range"]))
        content = server.content
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


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(connection, "TIMEOUT", (2, 0.5))
    for name in ("CLIP_MIRROR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.moods, server.requests = CONTENT, ["well"], []
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


def test_fetches_and_leaves_nothing_else(server, tmp_path):
    assert fetch(server, tmp_path) == [None]


@pytest.mark.parametrize("mood", ["drop", "stall"])
def test_asks_for_the_rest_after_an_interruption(server, tmp_path, mood):
    server.moods = [mood, mood, "well"]
    first, *others = fetch(server, tmp_path)
    second, third = (int(asked[6:-1]) for asked in others)
    assert first is None
    assert 0 < second < third < len(CONTENT)


def test_less_than_a_chunk_a_connection_is_progress(server, tmp_path):
    server.moods = ["drop early"] * (2 * transfer.ATTEMPTS) + ["well"]
    asked = fetch(server, tmp_path)
    assert asked[2] == "bytes=200000-"
    assert len(asked) == 2 * transfer.ATTEMPTS + 1


def test_goes_on_where_a_killed_run_stopped(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path) == ["bytes=1000-"]


def test_takes_a_part_that_is_whole(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path) == [f"bytes={len(CONTENT)}-"]


def test_starts_again_where_the_server_ignores_range(server, tmp_path):
    server.moods = ["drop", "no range"]
    assert len(fetch(server, tmp_path)) == 2


def test_starts_again_once_if_what_was_left_is_not_the_files(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(b"x" * 1000)
    assert fetch(server, tmp_path) == ["bytes=1000-", None]


@pytest.mark.parametrize("status", [503, 500, 429, 408])
def test_tries_again_after_a_servers_trouble(server, tmp_path, status):
    server.moods = [status, status, "well"]
    assert len(fetch(server, tmp_path)) == 3


def test_gives_up_after_some_attempts_and_names_the_ways_out(server, tmp_path):
    server.moods = [503]
    message = refusal(server, tmp_path)
    assert len(server.requests) == transfer.ATTEMPTS
    for word in ("status 503", "CLIP_MIRROR", "file:"):
        assert word in message


def test_no_network_names_the_ways_out(server, tmp_path):
    server.url = "http://127.0.0.1:9"  # the discard port: nothing listens
    message = refusal(server, tmp_path)
    for word in ("refused", "CLIP_MIRROR", "file:"):
        assert word in message


def test_a_wrong_address_is_not_tried_again(server, tmp_path):
    server.moods = [404]
    assert "status 404" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_wrong_bytes_are_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    assert DIGEST in refusal(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_seen_before_the_first_byte(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = refusal(server, tmp_path)
    assert str(2 * len(CONTENT)) in message
    assert transfer.size(tmp_path / "file.pt.part") == 0


@pytest.mark.parametrize("mood", ["wrong offset", "no Content-Range"])
def test_starts_over_once_where_other_bytes_come_than_were_asked_for(server, tmp_path, mood):
    server.moods = ["drop", mood, "well"]
    assert fetch(server, tmp_path) == [None, f"bytes={connection.CHUNK + 7}-", None]


def test_a_server_that_never_sends_what_is_asked_for_is_refused(server, tmp_path):
    server.moods = ["drop", "wrong offset", "drop", "wrong offset"]
    message = refusal(server, tmp_path)
    assert "other bytes than it is asked for" in message
    assert "pins" not in message
    assert len(server.requests) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [b"other" * 600_000, b"x" * 5_000_000])
def test_starts_over_where_the_file_changed_after_a_cut(server, tmp_path, before, monkeypatch):
    """5,000,000 bytes are more than there are now: the second request is answered with 416."""
    server.content, server.moods = before, ["drop", "well"]
    answer = Handler.answer

    def change(self, status, headers):
        answer(self, status, headers)
        if len(server.requests) == len(before) // 3_000_000:
            server.content = CONTENT

    monkeypatch.setattr(Handler, "answer", change)
    if len(before) > len(CONTENT):
        (tmp_path / "file.pt.part").write_bytes(before)
    asked = fetch(server, tmp_path)
    assert asked[-1] is None
    assert asked[-2].startswith("bytes=")


def test_416_for_a_whole_file_is_refused(server, tmp_path):
    server.moods = [416]
    assert "status 416" in refusal(server, tmp_path)


@pytest.mark.parametrize("status", [304, 300, 204])
def test_an_answer_without_the_file_is_refused(server, tmp_path, status):
    server.moods = [status]
    assert f"status {status}" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_waits_as_long_as_the_server_asks(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    moods = [(503, {"Retry-After": text}) for text in ("7", date, "soon", "9" * 5000)]
    server.moods = [*moods, "well"]
    fetch(server, tmp_path)
    assert waits[0] == 7
    assert 98 <= waits[1] <= 100
    assert waits[2:] == [4 * transfer.PAUSE, 8 * transfer.PAUSE]


def test_a_long_wait_is_not_sat_out(server, tmp_path):
    server.moods = [(429, {"Retry-After": "86400"})]
    assert "come back in 86400 seconds" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_a_connection_that_only_drips_is_given_up(server, tmp_path):
    server.moods = ["drip"]
    begun = time.monotonic()
    assert "bytes a second, too slow" in refusal(server, tmp_path)
    assert len(server.requests) == transfer.ATTEMPTS
    assert time.monotonic() - begun < 2 * transfer.ATTEMPTS * connection.TIMEOUT[1]


def test_a_length_that_is_too_long_ends_in_the_whole_file(server, tmp_path):
    server.moods = ["too long", "well"]
    assert fetch(server, tmp_path) == [None, f"bytes={len(CONTENT)}-"]


def test_a_length_that_is_always_too_long_is_named(server, tmp_path):
    server.moods = ["too long, no range"]
    assert "closed early" in refusal(server, tmp_path)


@pytest.mark.parametrize("mood", ["no length", "negative", "absurd"])
def test_a_length_that_is_no_number_is_not_believed(server, tmp_path, mood):
    server.moods = [mood]
    assert fetch(server, tmp_path) == [None]


def test_an_endless_file_stops_before_the_disk_is_full(server, tmp_path, monkeypatch):
    server.moods = ["no length"]
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2_000_000)
    )
    assert "has 2000000 bytes free" in refusal(server, tmp_path)
    assert transfer.size(tmp_path / "file.pt.part") < 2_000_000


def test_an_encoded_file_is_refused(server, tmp_path):
    server.moods = ["gzip"]
    assert "encoded" in refusal(server, tmp_path)


def test_redirects_are_followed(server, tmp_path):
    server.moods = [(302, {"Location": "/elsewhere/file?signature=y"}), "well"]
    assert fetch(server, tmp_path) == [None, None]
    assert server.requests[1][0] == "/elsewhere/file?signature=y"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/file.pt?signature=y", "from one address to another more than 20 times"),
        (f"ftp://{LOGIN}127.0.0.1/x?signature=y", "leads to ftp://127.0.0.1/x, which is no"),
        (f"http://{LOGIN}[::1/x?signature=y", "no address"),
        (f"http://{LOGIN}{'a' * 70}.b/x?signature=y", "no address"),
    ],
)
def test_redirects_that_lead_nowhere_are_refused(server, tmp_path, location, message):
    server.moods = [(302, {"Location": location})]
    assert message in refusal(server, tmp_path)


def speak(said, tmp_path, monkeypatch):
    """The refusal of a server that says these bytes to whatever it is asked."""
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client, contextlib.suppress(OSError):
                        client.recv(10_000)
                        client.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://{LOGIN}127.0.0.1:{listening.getsockname()[1]}/x?signature=x"
        try:
            with pytest.raises(command.Refusal) as caught:
                transfer.fetch(url, DIGEST, tmp_path / "file.pt")
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
    return one_line(caught.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"", "closed without an answer"),
        (b"\x16\x03\x01\x02 not HTTP\r\n", "no good HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "no good HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n", "contradict"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "closed early"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 1\r\n\r\nx", "pins"),
    ],
)
def test_what_is_no_http_is_one_line(tmp_path, monkeypatch, capfd, said, message):
    assert message in speak(said, tmp_path, monkeypatch)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "address",
    [
        f"http://{LOGIN}",
        f"http://{LOGIN}:80/x?signature=x",
        f"http://{LOGIN}127.0.0.1:port/x?signature=x",
        f"http://{LOGIN}[::1/x?signature=x",
        f"http://{LOGIN}a..b/x?signature=x",
        "http://alice:s3/cret@127.0.0.1:9/x?signature=x",
        "http://alice:s3?cret@127.0.0.1:9/x",
        f"http://{LOGIN}127.0.0.1:9/x\n?signature=x",
        f"http://{LOGIN}*/x#signature",
    ],
)
def test_an_address_that_cannot_be_asked_is_one_line(server, tmp_path, address):
    with pytest.raises(command.Refusal) as caught:
        transfer.fetch(address, DIGEST, tmp_path / "file.pt")
    assert "cannot be fetched" in one_line(caught.value)
    assert not any(word in str(caught.value) for word in ("s3", "cret"))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a/b.pt", "https://host/a/b.pt"),
        (f"https://{LOGIN}host:8/a@b/c?q=1@2#f", "https://…"),
        (f"https://{LOGIN}host:8/a/c?q=1#f", "https://host:8/a/c"),
        (f"{LOGIN}host/a", "host/a"),
        ("https://host/\x1b[2J", "https://host/\\x1b[2J"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address, shown):
    assert addresses.shown(address) == shown


@pytest.mark.parametrize(
    "mirror", ["host/base", f"ftp://{LOGIN}host", f"https://{LOGIN}host/?signature=x", "http:/x y"]
)
def test_a_mirror_that_is_no_address_is_refused(monkeypatch, mirror):
    monkeypatch.setenv("CLIP_MIRROR", mirror)
    with pytest.raises(command.Refusal, match="CLIP_MIRROR") as caught:
        addresses.mirrored(f"{addresses.OFFICIAL}/x.pt")
    one_line(caught.value)
    assert addresses.mirrored("https://elsewhere/x.pt") == "https://elsewhere/x.pt"


@pytest.mark.parametrize("source", [f"ftp://{LOGIN}host/x", f"HTTPS://{LOGIN}host/x?signature"])
def test_a_source_of_another_protocol_is_refused(source):
    with pytest.raises(command.Refusal, match=r"host/x is neither a path nor an address") as caught:
        addresses.local_path(source)
    one_line(caught.value)


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (f"http://{LOGIN}127.0.0.1:9", "the proxy .*refused"),
        (f"gopher://{LOGIN}127.0.0.1:9", "proxy is no address of http; correct HTTP_PROXY"),
        (f"http://{LOGIN}", "correct HTTP_PROXY"),
        (f"socks5://{LOGIN}127.0.0.1:9", "correct HTTP_PROXY|refused"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_bad_proxy_is_one_line(server, tmp_path, monkeypatch, proxy, message, scheme):
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    server.url = f"{scheme}://{LOGIN}example.invalid"
    assert re.search(message, refusal(server, tmp_path))


@pytest.fixture
def encrypted(server, tmp_path_factory):
    """The server's address over TLS, with a certificate that no one has signed."""
    folder = tmp_path_factory.mktemp("certificate")
    line = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2"
    line += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(line.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *arguments: None
    server.url = f"https://{LOGIN}localhost:{server.server_port}"
    return folder / "cert.pem"


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the file")


@needs_openssl
def test_a_certificate_is_trusted_if_it_is_named(server, encrypted, tmp_path, monkeypatch):
    message = refusal(server, tmp_path)
    assert "certificate is not trusted (self-signed certificate)" in message
    assert "set REQUESTS_CA_BUNDLE" in message
    assert server.requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(encrypted))
    fetch(server, tmp_path)


@needs_openssl
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bad_file_of_certificates_is_named(server, encrypted, tmp_path, monkeypatch, content):
    bundle = encrypted.with_name("bundle.pem")
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert "REQUESTS_CA_BUNDLE names no file of certificates" in refusal(server, tmp_path)


def test_tls_with_a_server_that_has_none_is_one_line(server, tmp_path):
    server.url = server.url.replace("http:", "https:")
    assert "no TLS connection" in refusal(server, tmp_path)


def test_the_registry_is_openais():
    models = params.load().models
    addresses = {model.source for model in models.values() if model.source.startswith("https")}
    assert addresses == set(openai.MODELS.values())
    for model in models.values():
        if model.source in addresses:
            assert f"/{model.sha256}/" in model.source


def test_download_stage_goes_from_address_to_weights_through_a_mirror(
    server, workspace, archives, monkeypatch
):
    server.content = archives["vit"].read_bytes()
    server.moods = ["drop", "well"]
    pin = small.sha256(archives["vit"])
    content = small.params({})
    source = f"{addresses.OFFICIAL}/{pin}/ViT-B-32.pt"
    content["models"] = {"mine": {"source": source, "sha256": pin}}
    content["grid"]["models"] = ["mine"]
    content["floors"] = {"mine": {}}
    small.write_params(workspace, content)
    monkeypatch.setenv("CLIP_MIRROR", f"{server.url}/mirror/\n")
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    assert {path for path, _ in server.requests} == {f"/mirror/{pin}/ViT-B-32.pt"}
    assert list((workspace / "data/downloads").iterdir()) == []
    assert (workspace / "data/checkpoints/mine/weights.safetensors").exists()


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_local_path_of_every_spelling(prefix):
    assert str(addresses.local_path(f"{prefix}/a/b.pt")) == "/a/b.pt"
