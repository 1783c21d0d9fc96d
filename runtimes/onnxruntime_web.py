"""Our files in ONNX Runtime Web in Chromium.

    python -m runtimes.onnxruntime_web MODEL OUTPUT.json

`onnxruntime-web` is WebAssembly on one thread, as any static host serves it; `-threads` on two,
in a page that is cross-origin isolated; `-webgpu` is WebGPU on SwiftShader, an adapter in software,
so that the figures agree wherever they are taken. With WEBGPU_ADAPTER=hardware in the environment
it is the machine's own adapter.
"""

import contextlib
import os
from pathlib import Path

from clip_onnx import command
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from runtimes import browser, comparison, jobs

HERE = Path(__file__).parent
WEBGPU = "--enable-unsafe-webgpu"
SOFTWARE_ADAPTER = ("--disable-gpu", WEBGPU, "--use-webgpu-adapter=swiftshader")
HARDWARE_ADAPTER = (
    WEBGPU,
    "--enable-features=Vulkan",
    "--ignore-gpu-blocklist",
    "--disable-software-rasterizer",  # else SwiftShader stands in
)
ADAPTERS = {"software": SOFTWARE_ADAPTER, "hardware": HARDWARE_ADAPTER}
GRAPHICS = ("none", "half", "weight_only", "resident", "mixed")  # schemes
SETTINGS = {  # what the page is told, whether its server isolates it, and inputs of each file
    "onnxruntime-web": ("provider=wasm&threads=1", False, comparison.COUNT),
    "onnxruntime-web-threads": ("provider=wasm&threads=2", True, comparison.COUNT),
    "onnxruntime-web-webgpu": ("provider=webgpu&threads=1", False, 2),  # slow in software
}


@contextlib.contextmanager
def page(window, name, root):
    """A function job -> answer, for models below `root`, at /models/; `name` is of SETTINGS."""
    query, isolated, _ = SETTINGS[name]
    path = f"/runtimes/onnxruntime_web.html?{query}"
    with (
        browser.serving({"/runtimes/": HERE, "/models/": root}, isolated) as address,
        jobs.page(window, address + path) as ask,
    ):
        yield ask


@contextlib.contextmanager
def runner(window, name, root):
    """A function `run` of comparison.compare, for models below `root`; `name` is of SETTINGS."""
    with page(window, name, root) as ask:
        yield lambda model, feeds: jobs.run(ask, feeds, model=f"/models/{model.relative_to(root)}")


def for_graphics(files):
    """Those that are made for WebGPU: towers in fp32, in half precision and in few bits."""
    encodings = params.load().encodings
    return [
        (name, variant)
        for name, variant in files
        if name in TOWERS and encodings[variant].scheme in GRAPHICS
    ]


def adapter():
    """Chromium's flags for the adapter that WEBGPU_ADAPTER asks for."""
    asked = os.environ.get("WEBGPU_ADAPTER", "software")
    if asked not in ADAPTERS:
        raise command.Refusal(f"WEBGPU_ADAPTER is {asked!r}: set it to {' or '.join(ADAPTERS)}")
    return ADAPTERS[asked]


def measure(model):
    browser.need("onnxruntime-web")
    files, found = comparison.files(model), {}
    with browser.chromium(*adapter()) as window:
        for name, (_, _, count) in SETTINGS.items():
            chosen = for_graphics(files) if "webgpu" in name else files
            try:
                with runner(window, name, comparison.MODELS) as run:
                    found[name] = comparison.survey(model, chosen, run, count)
            except command.Refusal as refusal:
                found[name] = comparison.refused(chosen, refusal)
    return found


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
