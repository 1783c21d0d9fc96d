"""The pages' server, and Chromium where it is installed."""

import contextlib
import http.client
import socket
import urllib.error
import urllib.request

import pytest

from clip_onnx import command
from runtimes import browser, jobs

pytestmark = pytest.mark.runtimes

needs_browser = pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))


@pytest.fixture
def folders(tmp_path):
    """{prefix: folder}: one of a page, one within the other's address."""
    page = "<!doctype html><script type=module src=./inner/module.mjs></script>"
    for name, content in {"a/page.html": page, "b/module.mjs": "globalThis.ran = 1"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "secret").write_text("secret", "utf-8")
    return {"/": tmp_path / "a", "/inner/": tmp_path / "b"}


@pytest.mark.parametrize("isolated", [True, False])
def test_headers_isolate_if_asked(folders, isolated):
    with (
        browser.serving(folders, isolated) as address,
        urllib.request.urlopen(f"{address}/inner/module.mjs?x=/") as answer,
    ):
        headers = answer.headers
    assert headers["Content-Type"] == "text/javascript"
    assert (headers["Cross-Origin-Embedder-Policy"] == "require-corp") == isolated
    assert (headers["Cross-Origin-Opener-Policy"] == "same-origin") == isolated


@pytest.mark.parametrize(
    "path",
    [
        *("/module.mjs", "/../secret", "/inner/%2e%2e/secret", "/inner/x", "/%00", f"/{'x' * 999}"),
        *(
            "/.env",
            "/.git/config",
            "/%2eenv",
            "/sub/.hidden/page.html",
            "/linked",
            "/sub/up/secret",
        ),
        *("/", "/sub/", "/inner/", "/linked-page/"),  # no list of a folder
    ],
)
def test_nothing_else_is_served(folders, tmp_path, path):
    served = tmp_path / "a"
    for name in (".env", ".git/config", "sub/.hidden/page.html", "sub/page.html"):
        (served / name).parent.mkdir(parents=True, exist_ok=True)
        (served / name).write_text("hidden", "utf-8")
    (served / "linked").symlink_to(tmp_path / "secret")
    (served / "sub/up").symlink_to(tmp_path)
    (served / "linked-page").mkdir()
    (served / "linked-page/index.html").symlink_to(tmp_path / "secret")
    refused = pytest.raises(urllib.error.HTTPError, match="404")
    with browser.serving(folders) as address, refused as error:
        urllib.request.urlopen(address + path)
    error.value.close()


def asked(address, host):
    """The status of the page when a request names a host, and the answer's first bytes."""
    server = address.removeprefix("http://").split(":")
    with contextlib.closing(http.client.HTTPConnection(server[0], int(server[1]))) as connection:
        connection.putrequest("GET", "/page.html", skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()[:15]


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"])
def test_server_answers_to_this_machines_names(folders, host):
    with browser.serving(folders) as address:
        port = address.rsplit(":", 1)[1]
        assert asked(address, host.format(port=port)) == (200, b"<!doctype html>")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "evil.example",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1:{port}.evil.example",
    ]
    + ["", None],
)
def test_server_answers_to_no_other_name(folders, host):
    with browser.serving(folders) as address:
        port = address.rsplit(":", 1)[1]
        assert asked(address, host and host.format(port=port))[0] == 403


def test_server_listens_on_one_address_alone(folders):
    with browser.serving(folders) as address, pytest.raises(OSError):
        port = int(address.rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.2", port), timeout=1).close()


@needs_browser
@pytest.mark.parametrize("isolated", [True, False])
def test_page_is_isolated_if_asked(folders, isolated):
    with browser.chromium() as window, browser.serving(folders, isolated) as address:
        page = window.new_page()
        page.goto(f"{address}/page.html")
        page.wait_for_function("() => globalThis.ran === 1")
        assert page.evaluate("crossOriginIsolated") == isolated


def test_a_page_that_closes_during_a_download_is_no_error(folders, capfd):
    (folders["/"] / "large").write_bytes(bytes(2**26))  # more than sockets hold
    with browser.serving(folders) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as page:
            page.sendall(f"GET /large HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            page.recv(1)
        urllib.request.urlopen(f"{address}/page.html").close()
    assert capfd.readouterr().err == ""


def test_other_errors_of_the_server_are_shown(folders, capfd, monkeypatch):
    def fail(*_):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(browser.Handler, "translate_path", fail)
    with browser.serving(folders) as address, pytest.raises(http.client.RemoteDisconnected):
        urllib.request.urlopen(f"{address}/page.html")
    assert "a mistake of ours" in capfd.readouterr().err


@needs_browser
@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "data:text/html,no run"])
def test_a_page_that_does_not_load_is_refused(address):
    with browser.chromium() as window, window.new_context() as context:
        context.set_default_timeout(300)
        refused = pytest.raises(command.Refusal, match=f"^{address}: [^\n]+$")
        with refused, jobs.page(context, address):
            pass


def program(folder, name):
    path = folder / name
    path.write_text("#!/bin/sh\nexit 3\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", browser.NAMES)
def test_chromium_has_several_names(monkeypatch, tmp_path, name):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.executable() is None
    program(tmp_path, name)
    assert browser.executable() == str(tmp_path / name)


def test_chromium_that_is_named_is_taken_alone(monkeypatch, tmp_path):
    program(tmp_path, "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", str(program(tmp_path, "mine")))
    assert browser.executable() == str(tmp_path / "mine")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(command.Refusal, match="CHROMIUM=/path"):
        browser.need()


def test_a_node_that_ended_is_refused(monkeypatch, tmp_path):
    program(tmp_path, "node")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with jobs.node("script.mjs") as ask:
        for _ in range(2):
            with pytest.raises(command.Refusal, match="node ended with status 3"):
                ask({"feeds": "x" * 2**20})  # more than a pipe holds


def test_missing_chromium_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(command.Refusal, match="apt-get install chromium"), browser.chromium():
        pass


def test_missing_package_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "PACKAGES", tmp_path)
    monkeypatch.setattr(browser.shutil, "which", lambda name: "/usr/bin/chromium")
    monkeypatch.setattr(browser.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(
        command.Refusal, match="onnxjs is not installed: make runtimes/node_modules"
    ):
        browser.need("onnxjs")
