"""The runtimes that bench/runtimes.py times, each as a function that loads and runs a file.

answer(directory, feeds, turn) -> ({output: float32}, load_ms, run_ms): of a model's directory
data/models/MODEL/TOWER/VARIANT, for {input: array}. A file stays loaded until another one or
another turn comes. The times are taken beside the runtime, so nothing counts that brings the feeds
to it and the outputs back. Raises Refusal with what the runtime says where it fails.
"""

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import speed
from clip_onnx import command, graphs
from runtimes import (
    browser,
    jobs,
    litert_convert,
    litert_programs,
    onnxjs,
    onnxruntime_web,
    transformers_js,
)

BASE = "onnxruntime"  # what the others are compared with
STD, ONNXJS, NPU = ("fp32", "int8w"), "onnxjs", "npu"
LITERT_JOBS = Path(__file__).parent / "litert_jobs.py"


class Runtime(NamedTuple):
    threads: int
    variants: tuple  # of each tower
    opened: Callable  # (browser, data) -> a context manager of its `answer`


def need():
    """Raise Refusal if anything is missing."""
    browser.need("onnxruntime-web", "onnxjs", "@huggingface/transformers")
    if litert_programs.missing():
        raise command.Refusal(litert_programs.missing())


def kept(load):
    """`answer` of a runtime in this process. load: file -> a function of the feeds."""
    last = {}

    def answer(directory, feeds, turn):
        started = time.perf_counter()
        if last.get("key") != (directory, turn):
            last.clear()  # one at a time in memory
            last.update(run=load(directory), key=(directory, turn))
        loaded = time.perf_counter()
        outputs = last["run"](feeds)
        ended = time.perf_counter()
        return outputs, (loaded - started) * 1000, (ended - loaded) * 1000

    return answer


def native(_window, _data):
    def load(directory):
        session = speed.session(directory)
        names = [output.name for output in session.get_outputs()]
        return lambda feeds: dict(zip(names, session.run(None, feeds), strict=True))

    return contextlib.nullcontext(kept(load))


def openvino(_window, _data):
    from openvino import Core  # a core environment has no OpenVINO

    from runtimes.openvino import EXACT, cause

    core, options = Core(), EXACT | {"INFERENCE_NUM_THREADS": speed.THREADS}

    def load(directory):
        try:
            compiled = core.compile_model(directory / graphs.FILE, "CPU", options)
        except RuntimeError as error:
            raise command.Refusal(cause(error)) from None
        return lambda feeds: {output.any_name: found for output, found in compiled(feeds).items()}

    return contextlib.nullcontext(kept(load))


def by_address(ask, models):
    """`answer` of a page that is told a file's address; another query makes it load anew."""

    def answer(directory, feeds, turn):
        file = (directory / graphs.FILE).relative_to(models)
        return jobs.answer(ask, feeds, model=f"/models/{file}?{turn}")

    return answer


@contextlib.contextmanager
def in_onnxruntime_web(name, window, data):
    with onnxruntime_web.page(window, name, data / "models") as ask:
        yield by_address(ask, data / "models")


@contextlib.contextmanager
def in_onnxjs(window, data):
    with onnxjs.page(window, data / "models") as ask:
        yield by_address(ask, data / "models")


def by_name(ask, **session_options):
    """`answer` of transformers.js, which is told a model's name."""

    def answer(directory, feeds, turn):
        job = transformers_js.client(directory / graphs.FILE)
        job["options"] |= {"session_options": session_options}
        return jobs.answer(ask, feeds, task="run", turn=turn, **job)

    return answer


@contextlib.contextmanager
def in_node(_window, data):
    with transformers_js.in_node(data / "bundles") as ask:
        yield by_name(ask, intraOpNumThreads=speed.THREADS)


@contextlib.contextmanager
def in_transformers_js_web(window, data):
    with transformers_js.page(window, data / "bundles") as ask:
        yield by_name(ask)


@contextlib.contextmanager
def litert(_window, _data):
    """Files are converted on the way; that does not count."""
    line = [litert_programs.PYTHON, LITERT_JOBS, str(speed.THREADS)]
    with tempfile.TemporaryDirectory() as folder, jobs.program(*line) as ask:

        def answer(directory, feeds, turn):
            converted = Path(folder, *directory.parts[-3:])
            if not converted.exists():
                with command.output(converted) as partial:
                    litert_convert.convert(directory, partial)
            given, found = f"{folder}/inputs.npz", f"{folder}/outputs.npz"
            np.savez(given, **feeds)
            file = str(converted / litert_programs.FILE)
            ms = ask({"file": file, "inputs": given, "outputs": found, "turn": turn})
            return dict(np.load(found)), ms["load_ms"], ms["run_ms"]

        yield answer


RUNTIMES = {
    BASE: Runtime(speed.THREADS, (*STD, ONNXJS, NPU), native),
    "onnxruntime-web": Runtime(1, STD, functools.partial(in_onnxruntime_web, "onnxruntime-web")),
    "onnxruntime-web-threads": Runtime(
        2, STD, functools.partial(in_onnxruntime_web, "onnxruntime-web-threads")
    ),
    "transformers-js-node": Runtime(speed.THREADS, STD, in_node),
    "transformers-js-web": Runtime(1, STD, in_transformers_js_web),
    "openvino": Runtime(speed.THREADS, STD, openvino),
    "onnxjs": Runtime(1, (ONNXJS,), in_onnxjs),
    "litert": Runtime(speed.THREADS, (NPU,), litert),
}


@contextlib.contextmanager
def opened(data):
    """{runtime: its `answer`} of all of them, for the models and bundles of a folder."""
    with contextlib.ExitStack() as stack:
        window = stack.enter_context(browser.chromium())
        yield {
            name: stack.enter_context(runtime.opened(window, data))
            for name, runtime in RUNTIMES.items()
        }
