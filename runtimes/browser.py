"""The machine's Chromium, driven by Playwright, and the server whose pages it opens.

The environment's CHROMIUM may name its executable. The server listens on 127.0.0.1 alone, answers
to this machine's own names only, serves no dotfile, no list of a folder and nothing outside its
folders, and sends, if asked, the two headers that threads of WebAssembly need (cross-origin
isolation).
"""

import contextlib
import functools
import http.server
import importlib.util
import os
import shutil
import sys
import threading
from pathlib import Path

from clip_onnx import command

PACKAGES = Path(__file__).parent / "node_modules"
NAMES = ("chromium", "google-chrome", "chromium-browser")
NO_GRAPHICS = ("--disable-gpu",)
FLAGS = (
    "--no-sandbox",
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
HOST = "127.0.0.1"
NAMES_OF_THIS_MACHINE = (HOST, "localhost", "[::1]")
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


NOTHING = "/nonexistent"


def _within(folder, path):
    """Whether what a path leads to is of the folder, links followed, and hidden at no step."""
    folder, path = Path(folder), Path(path)
    if any(step.startswith(".") for step in path.relative_to(folder).parts):
        return False
    try:
        # Of a folder its page is served.
        leads = [one.resolve() for one in (path, path / "index.html", path / "index.htm")]
    except ValueError:  # a null byte
        return False
    return all(one.is_relative_to(folder.resolve()) for one in leads)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files below some folders, each under its own prefix."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | TYPES

    def __init__(self, *arguments, folders, headers, **keywords):
        self.folders, self.extra = folders, headers
        super().__init__(*arguments, **keywords)

    def send_head(self):
        """The file that is asked for, to GET and HEAD alike, or None once it is refused."""
        port = self.server.server_port
        end = "" if port == 80 else f":{port}"
        # A page elsewhere may give its own name this machine's address: its requests name it.
        if self.headers["Host"] not in [f"{name}{end}" for name in NAMES_OF_THIS_MACHINE]:
            self.send_error(403, f"this server answers to {HOST}{end} and localhost{end} only")
            return None
        return super().send_head()

    def translate_path(self, path):
        for prefix, folder in self.folders.items():
            if path.split("?")[0].startswith(prefix):
                self.directory = str(folder)
                found = super().translate_path("/" + path.removeprefix(prefix))
                return found if _within(folder, found) else NOTHING
        return NOTHING

    def list_directory(self, path):
        self.send_error(404)

    def end_headers(self):
        for name, value in self.extra.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """One that says nothing of pages that close during a download."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(folders, isolated=True, port=0):
    """The address (without a final slash) of a server of {"/prefix/": folder}, longest first."""
    ordered = dict(sorted(folders.items(), key=lambda item: -len(item[0])))
    handler = functools.partial(Handler, folders=ordered, headers=ISOLATION if isolated else {})
    with Server((HOST, port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()


def executable():
    """Chromium's path, or None."""
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


def missing(*packages):
    """What keeps a browser, and npm packages, from running here, with the remedy, or None."""
    if executable() is None:
        return "chromium is not installed: apt-get install chromium, or CHROMIUM=/path/to/it"
    if importlib.util.find_spec("playwright") is None:
        return (
            "playwright is not installed here: make .venv-runtimes/installed, then use"
            " .venv-runtimes/bin/python"
        )
    for package in packages:
        if not (PACKAGES / package).is_dir():
            return f"{package} is not installed: make runtimes/node_modules/installed"
    return None


def need(*packages):
    """Raise Refusal if anything is missing."""
    reason = missing(*packages)
    if reason:
        raise command.Refusal(reason)


@contextlib.contextmanager
def chromium(*flags):
    """A headless Chromium. Raises Refusal where it is not installed.

    flags: its graphics' (WebGPU); without any it has none.
    """
    need()
    # Not at the top: the environment of the pipeline alone has no Playwright.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=[*FLAGS, *(flags or NO_GRAPHICS)]
        )
        try:
            yield browser
        finally:
            browser.close()
