"""Requests that fail before a byte of the file comes: each is one line, without what is secret."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from clip_onnx import command
from stages.download import transfer

import file_server
from file_server import DIGEST, LOGIN, fetch, one_line, refusal


@pytest.fixture
def server(monkeypatch):
    with file_server.running(monkeypatch) as found:
        yield found


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
        bundle.write_text(content, "utf-8")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert "REQUESTS_CA_BUNDLE names no file of certificates" in refusal(server, tmp_path)


def test_tls_with_a_server_that_has_none_is_one_line(server, tmp_path):
    server.url = server.url.replace("http:", "https:")
    assert "no TLS connection" in refusal(server, tmp_path)
