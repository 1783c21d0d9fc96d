"""The command line that `reference` and `calibrate` share: MODEL CHECKPOINT EVALSET OUTPUT."""

import argparse
from pathlib import Path

from clip_onnx.checkpoint import architecture
from clip_onnx.openai import amounts
from clip_onnx.settings import params


def parse(documentation):
    """The `model`, the paths `checkpoint`, `evalset` and `output`, the model's `sizes` and its
    `amounts`, by params.yaml."""
    parser = argparse.ArgumentParser(description=documentation.split("\n")[0])
    parser.add_argument("model")
    for name in ("checkpoint", "evalset", "output"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    given.sizes = architecture.of(given.checkpoint)
    given.amounts = amounts.of(params.load(), given.model, given.sizes)
    return given
