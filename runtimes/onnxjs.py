"""Files of the onnxjs profile in onnx.js 0.1.8, in Chromium on its CPU backend.

    python -m runtimes.onnxjs MODEL OUTPUT.json

Pictures go in as files, which the page decodes and normalises: from decoded pixels to embedding.
"""

import contextlib
import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

from clip_onnx import command
from clip_onnx.host.pictures import MEAN, STD
from runtimes import browser, comparison, jobs

HERE = Path(__file__).parent
PROFILE = "onnxjs"
MEAN_LEVEL, STD_LEVEL = (255 * np.reshape(values, (3, 1, 1)) for values in (MEAN, STD))


@contextlib.contextmanager
def page(window, root):
    """A function job -> answer, for models below `root`, at /models/."""
    with (
        browser.serving({"/runtimes/": HERE, "/models/": root}) as address,
        jobs.page(window, f"{address}/runtimes/onnxjs.html") as ask,
    ):
        yield ask


@contextlib.contextmanager
def runner(window, root):
    """A function `run` of comparison.compare, for models below `root`; as_files=True lets
    the page decode pictures."""
    with page(window, root) as ask:

        def run(model, feeds, as_files=False):
            job = {"model": f"/models/{model.relative_to(root)}", "mean": MEAN, "std": STD}
            if as_files and "pixel_values" in feeds:
                files = map(png, feeds["pixel_values"])
                found = [jobs.run(ask, {"picture": file}, **job) for file in files]
                return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
            return jobs.run(ask, feeds, **job)

        yield run


def png(pixel_values):
    """The bytes, uint8 [length], of the picture that pixel_values [3, side, side] came from."""
    levels = np.rint(pixel_values * STD_LEVEL + MEAN_LEVEL).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels.transpose(1, 2, 0)).save(file, "PNG")
    return np.frombuffer(file.getvalue(), np.uint8)


def measure(model):
    browser.need("onnxjs")
    files = [file for file in comparison.files(model, PROFILE) if file[1] == PROFILE]
    with browser.chromium() as window, runner(window, comparison.MODELS) as run:
        run = functools.partial(run, as_files=True)
        return {"onnxjs": comparison.survey(model, files, run)}


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
