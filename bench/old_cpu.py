"""Every encoding on an older CPU than this one, which is emulated: how close it is there.

    python -m bench.old_cpu [MODEL …] [--cpu Haswell] [--inputs 8]

The tiny models without names, from data/. Needs qemu-x86_64 or qemu-x86_64-static (Debian's
qemu-user-static), and a CPU that it can stand on. Haswell has AVX2 and no VNNI: ONNX Runtime takes
other kernels there. `int8-dynamic` is measured with `bits: 8`, too. Emulated time says nothing.
Writes bench/old_cpu.json and bench/old_cpu.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from bench import comparison
from bench.cpu import kind
from bench.records import commit, read, write
from clip_onnx import absent, command, graphs
from clip_onnx.measure import inputs, parity
from clip_onnx.measure.calibration import Calibration
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from stages.encode import schemes
from stages.encode.sensitivity import Sensitivity

RECORDS = Path("bench/old_cpu.json")
FOLDER = Path("build/bench-old-cpu")
MODELS = ("tiny-vit", "tiny-rn")
EMULATORS = ("qemu-x86_64-static", "qemu-x86_64")
FULL = "int8-dynamic, bits: 8"


def emulator():
    found = next(filter(None, map(shutil.which, EMULATORS)), None)
    if found is None:
        raise command.Refusal(f"there is no {EMULATORS[0]}: install Debian's qemu-user-static")
    return found


def full(model, tower):
    """A directory with `int8-dynamic` in all 8 bits."""
    target = FOLDER / model / tower
    encoding = params.load().encodings["int8-dynamic"].model_copy(update={"bits": 8})
    data = Path("data")
    made = schemes.NAMED[encoding.scheme].encode(
        graphs.load(data / "patch" / model / tower / "std"),
        encoding,
        Calibration(data / "calibration" / model, tower),
        Sensitivity(data / "sensitivity" / model, tower),
    )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    graphs.save(made, target)
    return target


def files(models):
    """(model, tower, encoding, directory) of every encoding of the grid."""
    settings = params.load()
    for model in models:
        for tower in TOWERS:
            for encoding in settings.grid.variants(model, tower):
                directory = Path("data/models") / model / tower / encoding
                if encoding in settings.encodings and not absent.why(directory):
                    yield model, tower, encoding, directory
            yield model, tower, FULL, full(model, tower)


def measure(place):
    """{cosine, snr_db} of the first inputs of one file, one by one: the worst, and of all."""
    model, tower, directory, count = place
    reference, rows = Path("data/reference") / model, list(range(count))
    with inputs.reference(reference) as file:
        truth = file.get_tensor("image_embeds" if tower == "visual" else "text_embeds")[rows]
        ids = file.get_tensor("input_ids")[rows].astype(np.int64)
    batch = inputs.pixels(reference, rows) if tower == "visual" else ids
    session = onnxruntime.InferenceSession(Path(directory) / graphs.FILE)
    name = session.get_inputs()[0].name
    embeds = np.concatenate([session.run(None, {name: one[None]})[0] for one in batch])
    cosine = float(parity.cosine(truth, embeds).min())
    return {"cosine": round(cosine, 6), "snr_db": round(float(parity.snr_db(truth, embeds)), 1)}


def emulated(cpu, places):
    """[measure(place)] as a CPU of another kind computes them."""
    line = [emulator(), "-cpu", cpu, os.path.realpath(sys.executable), "-m", "bench.old_cpu"]
    # The interpreter itself is started, not its link in an environment, which qemu would not see.
    paths = os.pathsep.join([os.getcwd(), *filter(None, sys.path)])
    finished = subprocess.run(
        [*line, "--measure", json.dumps(places, allow_nan=False)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if finished.returncode:
        complaint = finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"]
        raise command.Refusal(f"{line[0]}: {complaint[-1]}")
    return json.loads(finished.stdout)


def compared(models, cpu, count):
    """The records of all files: here, and on the emulated CPU."""
    found = list(files(models))
    places = [(model, tower, str(directory), count) for model, tower, _, directory in found]
    there = emulated(cpu, places)
    for (model, tower, encoding, _), place, other in zip(found, places, there, strict=True):
        named = {"model": model, "tower": tower, "encoding": encoding, "cpu": cpu, "on": kind()}
        yield named | {"here": measure(place), "there": other, "commit": commit()}


def markdown(records):
    rows = [
        {"file": f"{one['model']}.{one['tower']} {one['encoding']}"}
        | {
            f"{title}, {where}": f"{one[key][figure]:{form}}"
            for key, where in {"here": "this CPU", "there": one["cpu"]}.items()
            for figure, title, form in (("cosine", "worst cosine", ".6f"), ("snr_db", "dB", ".1f"))
        }
        for one in records
    ]
    commits, on_cpu = (", ".join(sorted({one[key] for one in records})) for key in ("commit", "on"))
    return f"""# On an older CPU

Written by `python -m bench.old_cpu`, at commit {commits}: the first few inputs of each tower, on
the CPU that wrote this ({on_cpu}) and on an emulated one. `int8-dynamic,
bits: 8` is no file of the grid: it shows what the eighth bit gains, and where it breaks.

{comparison.table(rows)}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--cpu", default="Haswell")
    parser.add_argument("--inputs", type=int, default=8)
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measured = [measure(place) for place in arguments.measure]
        print(json.dumps(measured, allow_nan=False))
        return
    fresh = list(compared(arguments.models, arguments.cpu, arguments.inputs))
    new = {one["model"] for one in fresh}
    write(RECORDS, [one for one in read(RECORDS) if one["model"] not in new] + fresh)
    RECORDS.with_suffix(".md").write_text(markdown(read(RECORDS)), "utf-8")


if __name__ == "__main__":
    command.run(main)
