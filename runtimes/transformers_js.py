"""A bundle in transformers.js, in Node and in Chromium, by the client code of its documentation.

    python -m runtimes.transformers_js MODEL OUTPUT.json

Towers run in `CLIPVisionModelWithProjection` and `CLIPTextModelWithProjection`, `combined` in
`CLIPModel`, other products in `AutoModel`. The encodings that have a `dtype` there are named by
it, others by `model_file_name`. Fed with pixels and ids of ours: its own picture processing is not
Pillow's.
"""

import contextlib
from pathlib import Path

from clip_onnx import command
from clip_onnx.host import layout
from runtimes import browser, comparison, jobs

HERE = Path(__file__).parent
BUNDLES = Path("data/bundles")


def client(model):
    """What a client names to load a file data/models/MODEL/GRAPH/VARIANT/model.onnx."""
    *_, name, graph, variant, _ = model.parts
    options = {"dtype": layout.DTYPES.get(variant, "fp32")}
    if variant not in layout.DTYPES or graph not in layout.CLASSES:
        stem = Path(layout.file_name(graph, variant)).stem
        options["model_file_name"] = stem.removesuffix(layout.SUFFIXES.get(variant, ""))
    return {"model": name, "class": layout.CLASSES.get(graph, "AutoModel"), "options": options}


@contextlib.contextmanager
def in_chromium(bundles):
    """A function job -> answer of transformers_js.mjs, for the bundles in a folder."""
    with browser.chromium() as window, page(window, bundles) as ask:
        yield ask


@contextlib.contextmanager
def page(window, bundles):
    """The same in a browser that is open."""
    folders = {"/runtimes/": HERE, "/bundles/": bundles}
    with (
        browser.serving(folders, isolated=False) as address,
        jobs.page(window, f"{address}/runtimes/transformers_js.html") as ask,
    ):
        yield ask


def in_node(bundles):
    """The same in Node."""
    return jobs.node(HERE / "transformers_js_node.mjs", f"{bundles.resolve()}/")


PLACES = {"transformers-js-node": in_node, "transformers-js-web": in_chromium}


def runner(ask):
    """A function `run` of comparison.compare."""
    return lambda model, feeds: jobs.run(ask, feeds, task="run", **client(model))


def measure(model):
    browser.need("@huggingface/transformers")
    files, found = comparison.files(model), {}
    for name, place in PLACES.items():
        with place(BUNDLES) as ask:
            found[name] = comparison.survey(model, files, runner(ask))
    return found


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
