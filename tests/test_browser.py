"""The pages' server, and Chromium where it is installed."""

import urllib.error
import urllib.request

import pytest

from runtimes import browser
from stages import command

needs_browser = pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))


@pytest.fixture
def folders(tmp_path):
    """{prefix: folder}: one of a page, one within the other's address."""
    page = "<!doctype html><script type=module src=./inner/module.mjs></script>"
    for name, content in {"a/page.html": page, "b/module.mjs": "globalThis.ran = 1"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    (tmp_path / "secret").write_text("secret")
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


@pytest.mark.parametrize("path", ["/module.mjs", "/../secret", "/inner/%2e%2e/secret", "/inner/x"])
def test_nothing_else_is_served(folders, path):
    refused = pytest.raises(urllib.error.HTTPError, match="404")
    with browser.serving(folders) as address, refused as error:
        urllib.request.urlopen(address + path)
    error.value.close()


@needs_browser
@pytest.mark.parametrize("isolated", [True, False])
def test_page_is_isolated_if_asked(folders, isolated):
    with browser.chromium() as window, browser.serving(folders, isolated) as address:
        page = window.new_page()
        page.goto(f"{address}/page.html")
        page.wait_for_function("() => globalThis.ran === 1")
        assert page.evaluate("crossOriginIsolated") == isolated


def test_missing_chromium_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(command.Refusal, match="apt-get install chromium"), browser.chromium():
        pass


def test_missing_package_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "PACKAGES", tmp_path)
    monkeypatch.setattr(browser.shutil, "which", lambda name: "/usr/bin/chromium")
    monkeypatch.setattr(browser.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(command.Refusal, match="onnxjs is not installed: npm ci"):
        browser.need("onnxjs")
