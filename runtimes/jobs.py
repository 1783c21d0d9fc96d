"""Calls of a runtime in JavaScript, in a page of Chromium or in Node: a model, fed once.

A job is what the script's `run` is told: where the model is, and the feeds. Its answer is the
outputs and how long they took, or what the runtime said when it failed. job.mjs is the other side.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess

import numpy as np
import safetensors.numpy

from clip_onnx import command

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


def node(script, *arguments):
    """A function job -> answer: that of a script in Node."""
    if shutil.which("node") is None:
        raise command.Refusal("node is not installed: install Node.js 20 or later")
    return program("node", script, *arguments)


@contextlib.contextmanager
def program(*line):
    """A function job -> answer: that of a program, one JSON a line in and out."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True)

    def ask(job):
        with contextlib.suppress(BrokenPipeError):  # it has ended, as is seen below
            process.stdin.write(json.dumps(job, allow_nan=False) + "\n")
            process.stdin.flush()
        said = process.stdout.readline()
        if not said:
            raise command.Refusal(f"{line[0]} ended with status {process.wait()}")
        return json.loads(said)

    with process:
        try:
            yield ask
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def answer(ask, feeds, **job):
    """({output: float32}, load_ms, run_ms) of a model for {input: array}.

    load_ms is next to nothing where the job before was the same. ask: job -> answer. Raises Refusal
    with what the runtime says where it fails.
    """
    feeds = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
    encoded = base64.b64encode(safetensors.numpy.save(feeds)).decode()
    said = ask({**job, "feeds": encoded})
    if "error" in said:
        raise command.Refusal(BEFORE_MESSAGE.sub("", command.first_line(said["error"])))
    outputs = safetensors.numpy.load(base64.b64decode(said["outputs"]))
    return outputs, said["load_ms"], said["run_ms"]


def run(ask, feeds, **job):
    """The outputs of `answer`, {name: float32}."""
    return answer(ask, feeds, **job)[0]
