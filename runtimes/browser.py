"""Debian's Chromium, driven by Playwright, and the server whose pages it opens.

The server listens on 127.0.0.1 alone and sends, if asked, the two headers that threads of
WebAssembly need (cross-origin isolation).
"""

import contextlib
import functools
import http.server
import importlib.util
import shutil
import threading
from pathlib import Path

from stages import command

PACKAGES = Path(__file__).parent / "node_modules"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files below some folders, each under its own prefix."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | TYPES

    def __init__(self, *arguments, folders, headers, **keywords):
        self.folders, self.extra = folders, headers
        super().__init__(*arguments, **keywords)

    def translate_path(self, path):
        for prefix, folder in self.folders.items():
            if path.split("?")[0].startswith(prefix):
                self.directory = str(folder)
                return super().translate_path("/" + path.removeprefix(prefix))
        self.directory = "/nonexistent"
        return super().translate_path(path)

    def end_headers(self):
        for name, value in self.extra.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folders, isolated=True, port=0):
    """The address (without a final slash) of a server of {"/prefix/": folder}, longest first."""
    ordered = dict(sorted(folders.items(), key=lambda item: -len(item[0])))
    handler = functools.partial(Handler, folders=ordered, headers=ISOLATION if isolated else {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def missing(*packages):
    """What keeps a browser, and npm packages, from running here, with the remedy, or None."""
    if shutil.which("chromium") is None:
        return "chromium is not installed: apt-get install chromium"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed here: make runtimes, then use .venv-runtimes/bin/python"
    for package in packages:
        if not (PACKAGES / package).is_dir():
            return f"{package} is not installed: npm ci --ignore-scripts --prefix runtimes"
    return None


def need(*packages):
    """Raise Refusal if anything is missing."""
    reason = missing(*packages)
    if reason:
        raise command.Refusal(reason)


@contextlib.contextmanager
def chromium(*flags):
    """A headless Chromium. Raises Refusal where it is not installed."""
    need()
    # Not at the top: the environment of the pipeline alone has no Playwright.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            browser.close()
