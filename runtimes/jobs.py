"""Calls of a runtime in JavaScript, in a page of Chromium or in Node: a model, fed once.

A job is what the script's `run` is told: where the model is, and the feeds. Its answer is the
outputs, or what the runtime said when it failed. job.mjs is the other side.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess

import numpy as np
import safetensors.numpy

from stages import command

# What stands before the message in ONNX Runtime's errors: codes, paths of its source.
BEFORE_MESSAGE = re.compile(r"^.*(ERROR_MESSAGE:|Status Message:|was false\.) ")


@contextlib.contextmanager
def page(window, address):
    """A function job -> answer: that of a page of a browser (runtimes.browser) at an address.

    Raises Refusal where the page does not load, says that it can run nothing, or crashes.
    """
    opened = window.new_page()
    try:
        with _refusing(address):
            opened.goto(address)
            opened.wait_for_function("() => window.run !== undefined")
            reason = opened.evaluate("() => window.missing?.()")
        if reason:
            raise command.Refusal(reason)

        def ask(job):
            with _refusing("the page"):
                return opened.evaluate("job => run(job)", job)

        yield ask
    finally:
        opened.close()


@contextlib.contextmanager
def _refusing(what):
    """Playwright's errors, a timeout among them, as Refusals."""
    from playwright.sync_api import Error  # a core environment has no Playwright

    try:
        yield
    except Error as error:
        raise command.Refusal(f"{what}: {command.first_line(error)}") from None


@contextlib.contextmanager
def node(script, *arguments):
    """A function job -> answer: that of a script in Node, one JSON a line in and out."""
    if shutil.which("node") is None:
        raise command.Refusal("node is not installed: install Node.js 20 or later")
    pipe, line = subprocess.PIPE, ["node", script, *arguments]
    process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True)

    def ask(job):
        with contextlib.suppress(BrokenPipeError):  # it has ended, as its empty answer says
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise command.Refusal(f"node ended with status {process.wait()}")
        return json.loads(line)

    with process:
        try:
            yield ask
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def run(ask, feeds, **job):
    """The outputs of a model, {name: float32}, for {input: array}.

    ask: job -> answer. Raises Refusal with what the runtime says where it fails.
    """
    feeds = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
    encoded = base64.b64encode(safetensors.numpy.save(feeds)).decode()
    answer = ask({**job, "feeds": encoded})
    if "error" in answer:
        raise command.Refusal(BEFORE_MESSAGE.sub("", command.first_line(answer["error"])))
    return safetensors.numpy.load(base64.b64decode(answer["outputs"]))
