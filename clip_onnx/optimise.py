"""A bundle for one kind of machine: its files as ONNX Runtime runs them there.

    clip-onnx optimise FOLDER OUTPUT [--encoding int4w]

Weights are decoded, fused and packed once, and lie in a file of their own, which a process maps
instead of decoding: it loads in little memory, and processes share its pages. Such a file computes
wrongly, or not at all, where ONNX Runtime is another version or the CPU knows other instructions;
machine.json says what it was made for, and whoever opens the folder elsewhere gets a Refusal.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime

from clip_onnx import command
from clip_onnx.bundle import Bundle
from clip_onnx.host import layout, machine

LARGE = 2**16  # bytes; larger weights lie in the file beside
BESIDE = "session.optimized_model_external_initializers_file_name"
LEAST = "session.optimized_model_external_initializers_min_size_in_bytes"
PACKED = "session.save_external_prepacked_constant_initializers"


def optimise(folder: str | Path, output: str | Path, encoding: str | Path) -> None:
    """Write a bundle's towers in one encoding, optimised for this machine, as a bundle.

    Raises Refusal for a folder that is no bundle, an encoding that is not in it, and an `output`
    that is there, were it the bundle itself.
    """
    if Path(output).exists():
        raise command.Refusal(f"{output} is there already: name a new folder")
    bundle = Bundle(folder)
    variant = bundle.encoding(encoding)
    towers = {bundle.files[tower, variant]: tower for tower in bundle.towers}
    with command.output(output) as directory:
        for file in sorted(bundle.folder.iterdir()):
            if file.is_file():
                shutil.copyfile(file, directory / file.name)
        golden = json.loads((directory / "golden.json").read_text("utf-8"))
        golden["files"] = {name: golden["files"][name] for name in towers}
        (directory / "golden.json").write_text(json.dumps(golden, allow_nan=False), "utf-8")
        for name in towers:
            context = bundle.context if "textual" in bundle.towers else 0
            write(bundle.folder / name, directory / name, smallest(context))
        this = json.dumps(machine.here(), indent=1, allow_nan=False)
        (directory / machine.FILE).write_text(f"{this}\n", "utf-8")
        verify(directory)


def verify(directory: Path) -> None:
    """Refuse files that ONNX Runtime wrote and does not compute rightly, or crashes on."""
    line = [sys.executable, "-m", "clip_onnx", "verify", str(directory)]
    finished = subprocess.run(line, capture_output=True, text=True)
    if finished.returncode:
        said = finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"]
        raise command.Refusal(f"what ONNX Runtime optimised does not run here: {said[-1]}")


def smallest(context: int) -> int:
    """Bytes from which on weights lie in the file beside, of a model that reads `context` tokens.

    The causal mask is smaller: it would put what follows where ONNX Runtime's kernels crash on it.
    """
    return max(LARGE, 4 * context**2 + 1)


def write(file: Path, optimised: Path, least: int) -> None:
    """Write a file as ONNX Runtime optimises it, its weights of `least` bytes and more beside it in
    NAME.onnx_data."""
    optimised.parent.mkdir(exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(optimised)
    for key, value in {BESIDE: f"{optimised.name}_data", LEAST: str(least), PACKED: "1"}.items():
        options.add_session_config_entry(key, value)
    options.log_severity_level = 3  # it warns that the file is for this machine alone
    try:
        onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base of their own
        raise command.Refusal(
            f"{file} cannot be loaded, copy the bundle again: {command.first_line(error)}"
        ) from None
    beside = layout.projection_name(file.name)
    if file.with_name(beside).exists():
        shutil.copyfile(file.with_name(beside), optimised.with_name(beside))
