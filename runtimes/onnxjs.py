"""Run a file of the onnxjs profile in onnx.js 0.1.8, in Node on its CPU backend.

npm ci --ignore-scripts --prefix runtimes
python -m runtimes.onnxjs data/models/MODEL/TOWER/onnxjs data/reference/MODEL OUTPUT.json
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from safetensors.numpy import load_file, save_file

from runtimes import comparison
from stages import command

HERE = Path(__file__).parent


def missing():
    """What keeps onnx.js from running here, with the remedy, or None."""
    if shutil.which("node") is None:
        return "node is not installed: install Node.js 18 or later"
    if not (HERE / "node_modules/onnxjs").is_dir():
        return "onnxjs is not installed: npm ci --ignore-scripts --prefix runtimes"
    return None


def run(model, feeds):
    """The one output of a model of batch 1 for {input: float32 or int32 [n, …]}: float32 [n, …].

    Raises Refusal where onnx.js is not installed, and with what it says where it fails.
    """
    reason = missing()
    if reason:
        raise command.Refusal(reason)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "inputs.safetensors"), Path(folder, "outputs.safetensors")
        save_file(feeds, given)
        arguments = ["node", HERE / "onnxjs.mjs", model, given, found]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if done.returncode:
            said = re.search(r"^\w*Error: .*", done.stderr, re.MULTILINE)
            what = said[0] if said else f"it ended with status {done.returncode}"
            raise command.Refusal(f"onnx.js cannot run {model}: {what}")
        (output,) = load_file(found).values()
    return output


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--inputs", type=int, default=8, help="how many to run")
    arguments = parser.parse_args()
    metrics = comparison.compare(arguments.model, arguments.reference, arguments.inputs, run)
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    command.run(main)
