"""A folder to ship: a model's files in the layout that Hugging Face's clients read.

    python -m stages.bundle data/models/MODEL data/reference/MODEL data/checkpoints/MODEL \\
        data/evalset data/bundles/MODEL

What goes in is `bundle:` of params.yaml. `golden.json` lets anyone check a
runtime in any language: a few captions with their tokens, a picture, what OpenAI's code makes of
them, and each file's floor. `python -m stages.verify FOLDER` does it in this one.
"""

import argparse
import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from stages import architecture, command, graph, host, inputs, layout, params, tokens, weights

GOLDEN_CAPTIONS = 5


def golden_rows(input_ids):
    """A handful of captions from the shortest to the longest, which is cut at 77 tokens."""
    by_length = np.argsort(input_ids.argmax(-1), kind="stable")
    places = np.linspace(0, len(by_length) - 1, GOLDEN_CAPTIONS).astype(int)
    return [int(by_length[place]) for place in places]


def golden(reference, evalset):
    """Captions and one picture with the reference's embeddings, as JSON can hold them."""
    captions = inputs.captions(reference)[inputs.EVALUATION]
    index = inputs.index(reference)
    smallest = next(row for row, picture in enumerate(index) if picture["label"] is not None)
    pixels = inputs.picture(evalset, index[smallest]["name"])
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    with inputs.reference(reference) as tensors:
        input_ids = tensors.get_tensor("input_ids")
        text_embeds = tensors.get_slice("text_embeds")
        texts = [
            {
                "caption": captions[row],
                "input_ids": input_ids[row, : input_ids[row].argmax() + 1].tolist(),
                "text_embeds": text_embeds[row].tolist(),
            }
            for row in golden_rows(input_ids)
        ]
        image_embeds = tensors.get_slice("image_embeds")[smallest].tolist()
    picture = {
        "png_base64": base64.b64encode(png.getvalue()).decode(),
        "image_embeds": image_embeds,
    }
    return {"texts": texts, "picture": picture}


def chosen(settings, name, variant):
    """Whether `bundle:` of params.yaml asks for a graph's file."""
    wanted = settings.bundle
    if name in params.TOWERS:
        return variant in wanted.encodings or variant in wanted.profiles
    return name in wanted.products


def files(model, settings):
    """{file in the bundle: its key, what kind of graph it is, and its floor}."""
    listed = {}
    for name, variant in settings.grid.files(model):
        if chosen(settings, name, variant):
            floor = settings.floors.get(model, {}).get(name, {}).get(variant)
            product = settings.products.get(name)
            listed[layout.file_name(name, variant)] = {
                "key": f"{model}.{name}.{variant}",
                "graph": getattr(product, "tower", product.kind) if product else name,
                "cosine_min": floor and floor.cosine_min,
            }
    return listed


def copy_model(source, target):
    """Copy a model's directory to one file name, what lies beside it to names made of that."""
    if (source / graph.DATA_FILE).exists():
        graph.save(graph.load(source), target.parent, target.name, f"{target.name}_data")
    else:
        shutil.copyfile(source / graph.FILE, target)
    if (source / host.PROJECTION).exists():
        beside = target.with_name(layout.projection_name(target.name))
        shutil.copyfile(source / host.PROJECTION, beside)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("models", "reference", "checkpoint", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    settings = params.load()
    model = arguments.models.name
    sizes = architecture.read(weights.shapes(arguments.checkpoint))
    listed = files(model, settings)
    with command.output(arguments.output) as folder:
        (folder / "onnx").mkdir()
        for name, file in listed.items():
            _, tower, encoding = file["key"].split(".")
            copy_model(arguments.models / tower / encoding, folder / name)
        external = [path.name for path in folder.glob("onnx/*_data")]
        for name, content in layout.configuration(sizes, external).items():
            (folder / name).write_text(json.dumps(content, indent=2) + "\n")
        tokenizer = tokens.load(arguments.checkpoint / "tokenizer.json")
        tokenizer.model.save(str(folder))  # vocab.json and merges.txt
        shutil.copyfile(arguments.checkpoint / "tokenizer.json", folder / "tokenizer.json")
        content = {"files": listed, **golden(arguments.reference, arguments.evalset)}
        (folder / "golden.json").write_text(json.dumps(content, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    command.run(main)
