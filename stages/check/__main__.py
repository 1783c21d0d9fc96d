"""Compare a model with figures that others published of OpenAI's own.

    python -m stages.check --visual data/models/MODEL/visual/fp32 \\
        --textual data/models/MODEL/textual/fp32 data/checkpoints/MODEL \\
        stages/check/known_answers.json data/eval/MODEL.known-answers.json

An answer belongs to one checkpoint by its SHA-256, so that a first run on OpenAI's file proves
the whole chain: download, export, tokenizer, picture transform, runtime. An answer about a
picture is left out until `known_answers.pictures` of params.yaml names a folder that has it. What
belongs to another checkpoint is not compared: a fine-tuned model gets an empty list.
"""

import argparse
import json
from pathlib import Path

from clip_onnx import command
from clip_onnx.checkpoint import weights
from clip_onnx.settings import params
from stages.check import answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--visual", "--textual"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("checkpoint", "answers", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    listed = json.loads(arguments.answers.read_text("utf-8"))
    folder = params.load().known_answers.pictures
    answers.check_folder(folder, listed)
    compared = answers.answers(
        answers.Model(arguments.visual, arguments.textual, arguments.checkpoint),
        listed,
        weights.sha256(arguments.checkpoint),
        folder,
    )
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(compared, indent=1, allow_nan=False), "utf-8")


if __name__ == "__main__":
    command.run(main)
