"""The oldest ONNX Runtime that takes each file of the bundles, and whether it computes rightly.

    python -m bench.old_runtimes [--python PYTHON]
    python -m bench.old_runtimes --python python3.10 --version 1.14.1

The files are those of data/bundles/tiny-vit and tiny-rn. Every version of VERSIONS is installed
into a folder of its own in build/old_runtimes, by PYTHON, which has to be one that all of them have
packages for: 3.10 or 3.11. Beside them runs the installed one. Each runs every file on the inputs
of golden.json, optimised and not, in a process of its own; this one makes the inputs and judges the
outputs. Writes bench/old_runtimes.json, a line a file: the worst cosine a version, or REFUSED, or
BROKEN where it takes the file and then fails.

The encodings of ONNX Runtime's own operators ask for the newest: MatMulNBits of 8 bits, and
MultiHeadAttention with a causal mask.

`--version` tries one version and writes nothing.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd

from bench import records
from bench.installing import install
from clip_onnx import command, host, verify
from clip_onnx.host import layout, sessions
from clip_onnx.measure import parity
from clip_onnx.names import TOWERS

RECORDS = Path("bench/old_runtimes.json")
BUNDLES, FOLDER = Path("data/bundles"), Path("build/old_runtimes").absolute()
MODELS = ("tiny-vit", "tiny-rn")
VERSIONS = ("1.15.1", "1.16.3", "1.17.3", "1.18.1", "1.20.1", "1.22.1", "1.23.2")
NUMPY = "1.26.4"  # the last that those were compiled for
PYTHONS = ("3.10", "3.11")  # that all of them have packages for
CHILD = Path(__file__).with_name("old_run.py")
NOT_TAKEN, ANOTHER = 3, 4  # its exit status
REFUSED, BROKEN = "refused", "broken"


def interpreter(named):
    """(the Python that installs and runs old versions, its version)."""
    python = shutil.which(named) if named else sys.executable
    asked = "import pip, sys; print(*sys.version_info[:2], sep='.')"
    said = python and subprocess.run([python, "-c", asked], capture_output=True, text=True).stdout
    if not said or said.strip() not in PYTHONS:
        raise command.Refusal(
            f"{named or 'this Python'} is no Python {' or '.join(PYTHONS)} with pip, which the old"
            " versions need: install one, and give --python /path/to/it"
        )
    return python, said.strip()


def installed(version, python, of):
    """The folder that has a version of ONNX Runtime and a numpy for Python `of`, and no more."""
    packages = [f"onnxruntime=={version}", f"numpy=={NUMPY}"]
    return install(FOLDER / f"{version}-python{of}", packages, python)


def cases(file, about, known):
    """[(feeds, {output: what it should be}, token ids or None)] of a bundle's file.

    None but for towers whose embedding the host has to finish.
    """
    session = sessions.session(file)
    projection = file.with_name(layout.projection_name(file.name)).exists()
    rows, length = sessions.fixed_axes(session)
    found = []
    for arrays, expected in verify.of_file(known, about):
        if about["graph"] not in TOWERS:
            found.append((sessions.named(session, *arrays), expected, None))
            continue
        (batch,) = arrays
        if length and batch.shape[1] > length:
            continue  # the profile has no room for this caption
        batch = np.repeat(host.fit(batch, length) if length else batch, rows or 1, axis=0)
        ((_, embeds),) = expected.items()
        output = session.get_outputs()[0].name
        ids = batch if projection else None
        found.append((sessions.feeds(session, batch), {output: embeds}, ids))
    return found


def run(version, folder, python, file, found):
    """{(level, case, output): array} of a file in a version; or REFUSED, or BROKEN."""
    feeds, outputs = FOLDER / "feeds.npz", FOLDER / "outputs.npz"
    outputs.unlink(missing_ok=True)
    arrays = {f"{n}/{name}": a for n, (given, *_) in enumerate(found) for name, a in given.items()}
    np.savez(feeds, **arrays)
    arguments = [python, "-I", CHILD, version, folder, file, feeds, outputs]
    done = subprocess.run([*map(str, arguments)], capture_output=True)
    if not done.returncode:
        with np.load(outputs) as content:
            return {tuple(key.split("/", 2)): array for key, array in content.items()}
    said = (done.stderr.decode(errors="replace").splitlines() or [""])[-1]
    if done.returncode == NOT_TAKEN:
        return REFUSED
    if done.returncode == ANOTHER:
        raise command.Refusal(f"{said}: remove that folder, so that it is installed anew")
    print(f"{version}: {file}: {said or f'exit status {done.returncode}'}")
    return BROKEN


def judged(outputs, file, found):
    """The worst cosine of a file's outputs, of all cases, optimised and not."""
    beside = file.with_name(layout.projection_name(file.name))
    cosines = []
    for (_, case, name), array in outputs.items():
        _, expected, ids = found[int(case)]
        if name not in expected:
            continue
        if ids is not None:
            array = host.project(array, ids, np.load(beside))
        truth = expected[name].reshape(1, -1)
        cosines.append(parity.cosine(truth, array[: len(expected[name])].reshape(1, -1))[0])
    worst = parity.worst(cosines)
    return round(worst, 7) if np.isfinite(worst) else BROKEN


def measure(bundle, versions):
    """The records of a bundle's files. versions: {version: (folder, python)}."""
    golden, known = verify.read(bundle)
    for name, about in golden["files"].items():
        file = bundle / name
        proto = onnx.load(file, load_external_data=False)
        found = cases(file, about, known)
        record = {
            "file": about["key"],
            "ir": proto.ir_version,
            "opset": {entry.domain: entry.version for entry in proto.opset_import}[""],
        }
        for version, (folder, python) in versions.items():
            outputs = run(version, folder, python, file, found)
            if not isinstance(outputs, str):
                outputs = judged(outputs, file, found)
            record[version] = outputs
        print(*record.values(), flush=True)
        yield record


def versions_of(record):
    return [name for name in record if name[0].isdigit()]


def right(record, version):
    """Whether a version computes a file as the newest measured one does, but for noise."""
    cosine, newest = record[version], record[versions_of(record)[-1]]
    if isinstance(cosine, str) or isinstance(newest, str):
        return False
    return cosine >= parity.least_elsewhere(newest)


def oldest(record):
    """The first version that computes a file rightly, as do all after it; "none" else."""
    versions = versions_of(record)
    wrong = [n for n, version in enumerate(versions) if not right(record, version)]
    start = wrong[-1] + 1 if wrong else 0
    return versions[start] if start < len(versions) else "none"


def table(found):
    """A row a graph and variant: what the oldest is, and the worst cosine a version."""
    rows = {}
    for record in found:
        _, name = record["file"].split(".", 1)
        rows.setdefault(name, []).append(record)
    shown = []
    for name, several in rows.items():
        versions = versions_of(several[0])
        since = max((oldest(one) for one in several), key=[*versions, "none"].index)
        row = {"file": name, "opset": several[0]["opset"], "IR": several[0]["ir"], "from": since}
        for version in versions:
            figures = [one[version] for one in several]
            words = [figure for figure in figures if isinstance(figure, str)]
            row[version] = words[0] if words else f"{min(figures):.7f}"
        shown.append(row)
    return pd.DataFrame(shown).to_markdown(index=False, disable_numparse=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", help="a Python 3.10 or 3.11 with pip, else this one")
    parser.add_argument("--version", help="try this one, and write nothing")
    parser.add_argument("--bundles", type=Path, default=BUNDLES, help="else data/bundles")
    arguments = parser.parse_args()
    python, of = interpreter(arguments.python)
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = [arguments.version] if arguments.version else VERSIONS
    versions = {version: (installed(version, python, of), python) for version in chosen}
    versions[onnxruntime.__version__] = "-", sys.executable
    print("file ir opset", *versions, flush=True)
    found = []
    for model in MODELS:
        found += measure(arguments.bundles / model, versions)
    print(table(found))
    if not arguments.version:
        records.write(RECORDS, found)


if __name__ == "__main__":
    command.run(main)
