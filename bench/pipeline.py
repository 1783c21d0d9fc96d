"""The pipeline in a workspace of its own: the twin that it starts from, the commands it runs."""

import hashlib
import shlex
import shutil
import subprocess
import sys

from bench.process import measured
from clip_onnx.names import STD, TOWERS
from clip_onnx.settings import params
from tools.architectures import TWINS

PAIRED = dict.fromkeys(("patch", "encode"), tuple(f"--{tower}" for tower in TOWERS))
TWINS_EVALSET = {"crops": 2, "drawn": 128}  # one drawing of each class


def place(model, folder):
    """Where a model's twin lies: a folder, if the model's weights have files beside them."""
    return folder / (model if params.load().models[model].beside else f"{model}.pt")


def twin(model, folder):
    """The path of a model's twin in a folder, made if it is not there."""
    params.lookup(TWINS, model, "models of a known size")
    path = place(model, folder)
    if not path.exists():
        make = [sys.executable, "-m", "tools.make_twin", model, str(path), "--outliers"]
        subprocess.run(make, check=True)
    return path


def entry(twin, address=None):
    """What params.yaml says of a twin: its path, or where a server of its folder has it."""
    weights, others = twin, []
    if twin.is_dir():
        weights = twin / "open_clip_model.safetensors"
        others = [file for file in twin.iterdir() if file != weights]
    found = {"source": str(twin), "sha256": sha256(weights), "beside": {}}
    if address:
        found["source"] = f"{address}/{weights.relative_to(twin.parent).as_posix()}"
        found["beside"] = {file.name: sha256(file) for file in others}
    return found


def remove(twin):
    """Delete a twin, if it is there."""
    if twin.is_dir():
        shutil.rmtree(twin)
    else:
        twin.unlink(missing_ok=True)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commands(folder, targets):
    """The command lines that DVC would run up to some stages, in its order."""
    plan = [sys.executable, "-m", "dvc", "repro", "--dry", "--force", *targets]
    printed = subprocess.run(plan, cwd=folder, check=True, capture_output=True, text=True).stdout
    return [shlex.split(line[2:]) for line in printed.splitlines() if line.startswith("> ")]


def stage(arguments):
    """The stage of a command line; bench/few.py stands in for one."""
    return "evaluate" if arguments[2] == "bench.few" else arguments[2].removeprefix("stages.")


def outputs(arguments):
    """The paths that a command line writes: those behind an option's model, or the last one."""
    pairs = ("--file",) if "--file" in arguments else PAIRED.get(stage(arguments), ())
    found = [arguments[n + 2] for n, word in enumerate(arguments) if word in pairs]
    return found or [arguments[-1]]


def item(arguments):
    """A command line's name: the key of what it makes, without the towers if these are both, and
    the stage."""
    made = outputs(arguments)
    parts = made[0].removesuffix(".json").replace("/", ".").split(".")[2:]
    left_out = {STD, *(TOWERS if len(made) > 1 else ())}
    return ".".join([*(part for part in parts if part not in left_out), stage(arguments)])


def there(folder, arguments):
    """Whether all that a command line writes is in a workspace."""
    return all((folder / path).exists() for path in outputs(arguments))


def run_missing(model, folder, lines):
    """Run those command lines whose outputs are not there."""
    for arguments in lines:
        if not there(folder, arguments):
            print(f"{model}: {shlex.join(arguments[2:])}", flush=True)
            measured(arguments, folder, folder / "log.txt")


def make(model, folder, targets):
    """Run the commands up to some stages whose outputs are not there. Returns all of them."""
    lines = commands(folder, targets)
    run_missing(model, folder, lines)
    return lines
