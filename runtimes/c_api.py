"""A bundle's files in ONNX Runtime through its C API, by the program runtimes/c/golden.c.

    python -m runtimes.c_api MODEL OUTPUT.json

Compiles the program and links it with the library in Python's onnxruntime. It reads golden.json;
for `runtime_cosine` it is given one that holds what ONNX Runtime computes in Python.
"""

import base64
import io
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from clip_onnx import command
from clip_onnx.host import sessions
from clip_onnx.settings import params
from runtimes import comparison

SOURCE = Path(__file__).parent / "c"
BUNDLES = Path("data/bundles")
GRAPHS = ("visual", "textual", "image")
SONAME = "libonnxruntime.so.1"  # what the loader looks for on Linux; the wheel's name is longer
STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]


def missing():
    """What keeps the program from being compiled here, with the remedy, or None."""
    if shutil.which("cc") is None:
        return "no C compiler is installed: apt-get install gcc libc6-dev"
    if library() is None:
        return "this onnxruntime has no shared library of its own: make .venv/installed"
    return None


def library():
    """The shared library in Python's onnxruntime, or None."""
    found = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.*")
    return next(iter(sorted(found)), None)


def compiled(folder, *options):
    """The program's path, compiled into a folder. Raises Refusal where that cannot be done."""
    if missing():
        raise command.Refusal(missing())
    program = folder / "golden"
    (folder / SONAME).symlink_to(library())
    paths = [f"-Wl,-rpath,{path}" for path in (folder, library().parent)]
    arguments = [SOURCE / "golden.c", "-I", SOURCE, library(), "-lm", *paths, "-o", program]
    done = subprocess.run(["cc", *STRICT, *options, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise command.Refusal(f"{SOURCE}/golden.c: {command.first_line(done.stderr)}")
    return program


def cosine(program, golden, picture, model):
    """The worst cosine of a file by a golden.json's path. Raises Refusal where it does not run.

    Whether it holds the floor is the exit status's matter, not this function's.
    """
    done = subprocess.run([program, golden, picture, model], capture_output=True, text=True)
    shown = re.search(r" cosine (\S+) ", done.stdout)
    if not shown:
        said = re.search(r"^error: (.*)$", done.stderr, re.MULTILINE)
        raise command.Refusal(said[1] if said else f"it ended with status {done.returncode}")
    if "nan" in shown[1]:
        raise command.Refusal("its embedding is zeros or no numbers")
    return round(float(shown[1]), 7)


def decoded(golden, path):
    """golden.json's picture as a PPM file and as uint8 [height, width, 3]; of a textual tower alone
    a black one, which nothing reads."""
    picture = Image.new("RGB", (1, 1))
    if "picture" in golden:
        png = base64.b64decode(golden["picture"]["png_base64"])
        picture = Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB")
    picture.save(path)
    return np.asarray(picture)


def native(golden, model, graph, picture):
    """golden.json with the embeddings that a file has in ONNX Runtime in Python."""
    session = sessions.session(model)

    def embed(value):
        return session.run(None, {session.get_inputs()[0].name: value})[0][0].tolist()

    if graph == "textual":
        texts = golden["texts"]
        return golden | {
            "texts": [text | {"text_embeds": embed([text["input_ids"]])} for text in texts]
        }
    if graph == "visual":
        preprocess = sessions.session(model.with_name("preprocess.onnx"))
        picture = preprocess.run(None, {"image": picture})[0]
    return golden | {"picture": {"image_embeds": embed(picture)}}


def files(golden, profiles):
    """{file: (graph, variant)} of what the program can check: encodings of some graphs."""
    keys = {name: file["key"].split(".")[1:] for name, file in golden["files"].items()}
    return {
        name: (graph, variant)
        for name, (graph, variant) in keys.items()
        if graph in GRAPHS and variant not in profiles
    }


def measure(model):
    bundle, found = BUNDLES / model, {}
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        program, own = compiled(Path(folder)), Path(folder, "golden.json")
        ppm = Path(folder, "picture.ppm")
        picture = decoded(golden, ppm)
        for name, (graph, variant) in files(golden, params.load().grid.profiles).items():
            try:
                computed = native(golden, bundle / name, graph, picture)
                own.write_text(json.dumps(computed, indent=1, allow_nan=False), "utf-8")
                metrics = {
                    "inputs": len(golden["texts"]) if graph == "textual" else 1,
                    "cosine": cosine(program, bundle / "golden.json", ppm, bundle / name),
                    "runtime_cosine": cosine(program, own, ppm, bundle / name),
                }
            except command.Refusal as refusal:
                metrics = {"reason": command.first_line(refusal)}
            found.setdefault(graph, {})[variant] = metrics
    return {"c-api": found}


if __name__ == "__main__":
    command.run(lambda: comparison.main(measure, __doc__))
