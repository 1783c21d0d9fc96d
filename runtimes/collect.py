"""Gather what every runtime made of the files into the metrics that git keeps.

    python -m runtimes.collect data/runtimes metrics/runtimes.json

Writes {runtime: {model: {graph: {variant: metrics, or the reason why not}}}}.
"""

import argparse
import json
from pathlib import Path

from clip_onnx import command
from clip_onnx.settings import params

MODULES = ("onnxruntime_web", "onnxjs", "transformers_js", "openvino", "litert", "c_api")


def gather(directory, models):
    """The nested metrics of every module's file of every model."""
    found = {}
    for module in MODULES:
        for model in models:
            path = directory / f"{module}.{model}.json"
            try:
                content = json.loads(path.read_text("utf-8"))
            except FileNotFoundError:
                raise command.Refusal(f"{path} is missing: make runtimes") from None
            for runtime, graphs in content.items():
                found.setdefault(runtime, {})[model] = graphs
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    metrics = gather(arguments.results, params.load().grid.models)
    with command.output_file(arguments.output) as partial:
        partial.write_text(
            json.dumps(metrics, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8"
        )


if __name__ == "__main__":
    command.run(main)
