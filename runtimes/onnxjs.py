"""Files of the onnxjs profile in onnx.js 0.1.8, in Chromium on its CPU backend.

    python -m runtimes.onnxjs MODEL OUTPUT.json

Pictures go in as files, which the page decodes and normalises: from decoded pixels to embedding.
"""

import contextlib
import functools
import io
import json
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from clip_onnx import command
from clip_onnx.host.preparation import OPENAI, described
from runtimes import browser, comparison, jobs

HERE = Path(__file__).parent
PROFILE = "onnxjs"


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
            job = {"model": f"/models/{model.relative_to(root)}"}
            if as_files and "pixel_values" in feeds:
                mean, std = levels_of(model)
                files = [png(pixels, mean, std) for pixels in feeds["pixel_values"]]
                job |= {"mean": mean, "std": std}
                found = [jobs.run(ask, {"picture": file}, **job) for file in files]
                return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
            return jobs.run(ask, feeds, **job)

        yield run


def levels_of(model):
    """(mean, std) that a visual tower's file says of its pictures."""
    metadata = {p.key: p.value for p in onnx.load(model, load_external_data=False).metadata_props}
    _, preparation = described(json.loads(metadata["preprocessing"]))
    return preparation.mean, preparation.std


def png(pixel_values, mean=OPENAI.mean, std=OPENAI.std):
    """The bytes, uint8 [length], of the picture that pixel_values [3, side, side] came from."""
    mean, std = (255 * np.reshape(values, (3, 1, 1)) for values in (mean, std))
    levels = np.rint(pixel_values * std + mean).astype(np.uint8)
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
