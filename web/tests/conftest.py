"""The built site, a server of it, Chromium, and what Python makes of the same inputs."""

import json
import shutil
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from pages import BUNDLES, MODEL, ROOT
from PIL import Image
from playwright.sync_api import expect

from runtimes import browser
from stages.evalset import drawings
from web import build

WAIT = 60_000  # ms: the machine may be busy
expect.set_options(timeout=WAIT)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder that `make web` would serve."""
    if not any(BUNDLES.glob("*/golden.json")):
        pytest.skip("no bundle is built: make")
    if not (build.MODULES / "onnxruntime-web").is_dir():
        pytest.skip("npm ci --ignore-scripts --prefix web")
    folder = tmp_path_factory.mktemp("site") / "web"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build.build(folder, BUNDLES, ROOT / "metrics")
    return folder


@pytest.fixture(scope="session")
def chromium():
    if browser.missing():
        pytest.skip(browser.missing())
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="session")
def address(site):
    with browser.serving({"/": site}) as found:
        yield found


@pytest.fixture
def visit(chromium, address):
    """visit(path, variant="fp32", base=address) -> a page whose model is MODEL, in one context."""
    context = chromium.new_context(accept_downloads=True, service_workers="block")
    context.set_default_timeout(WAIT)
    wrong = []

    def open_page(path="image.html", variant="fp32", base=address):
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        choice = json.dumps({"model": MODEL, "variant": variant, "runtime": "wasm"})
        page.add_init_script(
            f"localStorage.getItem('clip-onnx.choice') ?? "
            f"localStorage.setItem('clip-onnx.choice', {json.dumps(choice)})"
        )
        page.goto(f"{base}/{path}")
        return page

    yield open_page
    context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def photograph():
    """A JPEG of 640 × 427."""
    return resources.files("skimage") / "data/rocket.jpg"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 300 drawings in two folders, a text file and a PNG that is none."""
    folder = tmp_path_factory.mktemp("pictures") / "holiday"
    rng = np.random.default_rng(0)
    for number in range(300):
        label = drawings.LABELS[number % len(drawings.LABELS)]
        path = folder / f"part{number % 2}" / f"{number:03} {label}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawings.draw(rng, label)).save(path)
    (folder / "notes.txt").write_text("no picture", "utf-8")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.fixture
def few(pictures, tmp_path):
    """A folder of three pictures: 0.png, 1.png, 2.png."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number, path in enumerate(sorted(pictures.glob("part0/*.png"))[:3]):
        shutil.copyfile(path, folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """MODEL's checkpoint as it was built, or made here: MODEL ships with the project."""
    built = ROOT / f"data/checkpoints/{MODEL}"
    if built.is_dir():
        return built
    folder = tmp_path_factory.mktemp("checkpoints")
    line = [sys.executable, "-m", "stages.download", MODEL, folder / "downloads", folder / MODEL]
    subprocess.run(line, cwd=ROOT, check=True)
    return folder / MODEL


@pytest.fixture(scope="session")
def openai_embed(checkpoint):
    """PIL picture -> what OpenAI's transform and PyTorch code make of it, float32 [E]."""
    from clip_onnx import openai
    from clip_onnx.openai import models

    side = json.loads((BUNDLES / MODEL / "preprocessor_config.json").read_text("utf-8"))
    transform = openai.transform(side["crop_size"]["height"])

    def embed(picture):
        batches = [transform(picture)[None]]
        return models.embed(checkpoint, "visual", batches)[0].numpy()

    return embed
