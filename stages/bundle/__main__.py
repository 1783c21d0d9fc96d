"""A folder to ship: a model's files in the layout that Hugging Face's clients read.

    python -m stages.bundle data/models/MODEL data/reference/MODEL data/checkpoints/MODEL \\
        data/evalset data/bundles/MODEL

What goes in is `bundle:` of params.yaml, or all that the grid builds. `golden.json` lets anyone
check a runtime in any language; `python -m clip_onnx verify FOLDER` does it in this one. A file
without a floor in params.yaml gets one from what it reaches here.
"""

import argparse
import json
import shutil
from pathlib import Path

from clip_onnx import command, verify
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import layout, preparation, tokens
from clip_onnx.measure import parity
from clip_onnx.settings import params
from stages.bundle import golden


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("models", "reference", "checkpoint", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    settings = params.load()
    model = arguments.models.name
    sizes = architecture.read(weights.shapes(arguments.checkpoint))
    listed = golden.files(model, settings)
    with command.output(arguments.output) as folder:
        (folder / "onnx").mkdir()
        for name, file in listed.items():
            _, tower, encoding = file["key"].split(".")
            golden.copy_model(arguments.models / tower / encoding, folder / name)
        external = [path.name for path in folder.glob("onnx/*_data")]
        wanted = preparation.read(arguments.checkpoint)
        for name, content in layout.configuration(sizes, external, wanted).items():
            (folder / name).write_text(
                json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8"
            )
        tokenizer = tokens.load(arguments.checkpoint / "tokenizer.json")
        tokenizer.model.save(str(folder))  # vocab.json and merges.txt
        shutil.copyfile(arguments.checkpoint / "tokenizer.json", folder / "tokenizer.json")
        content = {
            "files": listed,
            "checkpoint_sha256": weights.sha256(arguments.checkpoint),
            "logit_scale": weights.logit_scale(arguments.checkpoint),
        } | golden.golden(arguments.reference, arguments.evalset)
        complete(content, folder)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / "golden.json").write_text(text, "utf-8")


def complete(content, folder):
    """Add what a classifier should answer, and the floors that params.yaml does not give."""
    image_embeds = content["picture"]["image_embeds"]
    for name, file in content["files"].items():
        if file["graph"] == "classifier":
            file |= golden.answer(folder / name, image_embeds)
    cases = verify.cases(folder, content)
    for name, file in content["files"].items():
        if file["cosine_min"] is None:
            file["cosine_min"] = parity.least_elsewhere(verify.worst(folder / name, file, cases))


if __name__ == "__main__":
    command.run(main)
