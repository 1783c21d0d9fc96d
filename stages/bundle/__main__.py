"""A folder to ship: a model's files in the layout that Hugging Face's clients read.

    python -m stages.bundle data/models/MODEL data/reference/MODEL data/checkpoints/MODEL \\
        data/evalset data/bundles/MODEL

What goes in is `bundle:` of params.yaml, or all that the grid builds. `golden.json` lets anyone
check a runtime in any language; `python -m clip_onnx verify FOLDER` does it in this one. A file
without a floor in params.yaml gets one from what it reaches here. Of a checkpoint of one tower it
is that tower's folder, and `tower` in golden.json says which. Other clients' folders
(`bundle.layouts`) lie in it under their names.
"""

import argparse
import json
import shutil
from pathlib import Path

from clip_onnx import absent, command, verify
from clip_onnx.checkpoint import architecture, network, weights
from clip_onnx.host import layout, preparation, tokens
from clip_onnx.names import TOWERS
from clip_onnx.settings import params
from stages.bundle import golden, layouts
from stages.bundle.layouts import immich, triton

LAYOUTS = {"immich": immich.write, "triton": triton.write}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("models", "reference", "checkpoint", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    settings, sizes = params.load(), architecture.of(arguments.checkpoint)
    listed = files(arguments.models, sizes, settings)
    check_layouts(arguments.models, sizes, settings.bundle.layouts)
    with command.output(arguments.output) as folder:
        copy(arguments.models, listed, folder)
        configure(arguments.checkpoint, sizes, folder)
        content = {"files": listed} | described(arguments.checkpoint, sizes)
        content |= golden.golden(arguments.reference, arguments.evalset, sizes.towers)
        complete(content, folder, settings)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / "golden.json").write_text(text, "utf-8")
        for name, encoding in settings.bundle.layouts.items():
            wanted = preparation.read(arguments.checkpoint)
            parts = (arguments.models, arguments.checkpoint, sizes, wanted, encoding)
            LAYOUTS[name](layouts.Parts(arguments.models.name, *parts), folder / name)


def files(models, sizes, settings):
    """{name in the bundle: what golden.json says of it}. Raises Refusal where there is none."""
    listed = golden.files(models.name, settings, lambda *key: built(models.joinpath(*key)))
    if not listed:
        raise command.Refusal(
            f"{models.name} has none of the files that `bundle:` of params.yaml names, for"
            f" {absent.tower(*set(TOWERS) - set(sizes.towers))}: name others"
        )
    return listed


def check_layouts(models, sizes, wanted):
    """Raise Refusal where {layout: encoding} asks for a tower that was not made."""
    for name, encoding in wanted.items():
        for tower in sizes.towers:
            if why := absent.why(models / tower / encoding):
                raise command.Refusal(
                    f"bundle.layouts.{name}: {models.name} has no {tower} tower in {encoding}"
                    f" ({why}): name an encoding that all models of the grid have"
                )


def copy(models, listed, folder):
    """Copy the models' files to their names in the bundle."""
    (folder / "onnx").mkdir()
    for name, file in listed.items():
        _, graph, variant = file["key"].split(".")
        golden.copy_model(models / graph / variant, folder / name)


def configure(checkpoint, sizes, folder):
    """Write what Hugging Face's clients read beside the models: configurations and tokenizer."""
    external = [path.name for path in folder.glob("onnx/*_data")]
    wanted, own = preparation.read(checkpoint), tokens.configuration(checkpoint)
    for name, content in layout.configuration(sizes, external, wanted, own).items():
        (folder / name).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8")
    if "textual" in sizes.towers:
        shutil.copyfile(checkpoint / tokens.FILE, folder / tokens.FILE)
        if own is None:
            tokenizer = tokens.load(checkpoint / tokens.FILE, context=None)
            tokenizer.model.save(str(folder))  # vocab.json and merges.txt


def described(checkpoint, sizes):
    """What golden.json says of the checkpoint: whose files these are."""
    found = {"checkpoint_sha256": weights.sha256(checkpoint)}
    family = network.read(checkpoint).family
    if family != network.OPENAI:  # whose code defines it
        found["family"] = family
    if sizes.textual.end_id is not None:  # its tokens are not CLIP's
        found["end_id"] = sizes.textual.end_id
    if sizes.whole:
        return found | {"logit_scale": weights.logit_scale(checkpoint)}
    (tower,) = sizes.towers
    return found | {"tower": tower}


def built(directory):
    """Whether a model's file is there; int8-static is of the ResNets of grid.resnets alone."""
    return directory.exists() and not absent.why(directory)


def complete(content, folder, settings):
    """Add what a classifier should answer, and the floors of files that have none of their own."""
    for name, file in content["files"].items():
        if file["graph"] == "classifier":
            file |= golden.answer(folder / name, content["picture"]["image_embeds"])
    cases = verify.cases(folder, content)
    for name, file in content["files"].items():
        if file["cosine_min"] is None:
            _, graph, variant = file["key"].split(".")
            default = settings.default_floors.get(graph, {}).get(variant)
            reached = verify.worst(folder / name, file, cases)
            file["cosine_min"] = golden.promised(default, reached)


if __name__ == "__main__":
    command.run(main)
