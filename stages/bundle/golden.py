"""What goes into a bundle: its files by `bundle:` of params.yaml, and `golden.json`.

`golden.json` lets anyone check a runtime in any language: a few captions with their tokens, a
picture, what OpenAI's code makes of them, and each file's floor.
"""

import base64
import io
import shutil

import numpy as np
from PIL import Image

from clip_onnx import graphs
from clip_onnx.host import layout, zero_shot
from clip_onnx.measure import inputs, parity
from clip_onnx.names import PROJECTION, TOWERS

GOLDEN_CAPTIONS = 5
LABELS = "labels"  # what stages/compose/products/classifier.py calls its matrix


def golden_rows(rows):
    """A handful of captions from the shortest to the longest, which the model reads in part."""
    by_length = np.argsort([len(row) for row in rows], kind="stable")
    places = np.linspace(0, len(by_length) - 1, GOLDEN_CAPTIONS).astype(int)
    return [int(by_length[place]) for place in places]


def golden(reference, evalset, towers):
    """Captions and one picture with the reference's embeddings, as JSON can hold them: what the
    towers take."""
    with inputs.reference(reference) as tensors:
        found = {"texts": texts(reference, tensors)} if "textual" in towers else {}
        if "visual" in towers:
            found["picture"] = picture(reference, evalset, tensors)
    return found


def texts(reference, tensors):
    """The captions, their tokens, and the reference's embeddings."""
    captions = inputs.captions(reference)[inputs.EVALUATION]
    rows = inputs.token_rows(tensors)
    text_embeds = tensors.get_slice("text_embeds")
    return [
        {
            "caption": captions[row],
            "input_ids": rows[row],
            "text_embeds": text_embeds[row].tolist(),
        }
        for row in golden_rows(rows)
    ]


def picture(reference, evalset, tensors):
    """The first drawing, as a file of its bytes, and the reference's embedding."""
    index = inputs.index(reference)
    smallest = next(row for row, picture in enumerate(index) if picture["label"] is not None)
    pixels = inputs.picture(evalset, index[smallest]["name"])
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return {
        "png_base64": base64.b64encode(png.getvalue()).decode(),
        "image_embeds": tensors.get_slice("image_embeds")[smallest].tolist(),
    }


def chosen(settings, name, variant):
    """Whether `bundle:` of params.yaml asks for a graph's file."""
    wanted = settings.bundle
    if name not in TOWERS:
        return wanted.products is None or name in wanted.products
    listed = wanted.profiles if variant in settings.profiles else wanted.encodings
    return listed is None or variant in listed


def files(model, settings, built):
    """{file in the bundle: its key, what kind of graph it is, and its own floor, or None}.

    built(graph, variant): whether there is such a file of this model.
    """
    listed = {}
    for name, variant in settings.grid.possible_files():
        if chosen(settings, name, variant) and built(name, variant):
            floor = settings.floors.get(model, {}).get(name, {}).get(variant)
            product = settings.products.get(name)
            listed[layout.file_name(name, variant)] = {
                "key": f"{model}.{name}.{variant}",
                "graph": getattr(product, "tower", product.kind) if product else name,
                "cosine_min": floor and floor.cosine_min,
            }
    return listed


def promised(default, reached):
    """The least cosine of a file without a floor of its own: what it reached, less what another CPU
    may take, and no less than the default Floor, if there is one."""
    least = parity.least_elsewhere(reached)
    return max(least, default.cosine_min) if default else least


def copy_model(source, target):
    """Copy a model's directory to one file name, what lies beside it to names made of that."""
    if (source / graphs.DATA_FILE).exists():
        graphs.save(graphs.load(source), target.parent, target.name, f"{target.name}_data")
    else:
        shutil.copyfile(source / graphs.FILE, target)
    if (source / PROJECTION).exists():
        beside = target.with_name(layout.projection_name(target.name))
        shutil.copyfile(source / PROJECTION, beside)


def answer(classifier, image_embeds):
    """{output: its name, probabilities: [labels]} of a classifier for the picture's embedding.

    The labels' embeddings, times e to the logit_scale, are a matrix in the file itself.
    """
    model = graphs.ir.load(classifier)
    matrix = model.graph.initializers[LABELS].const_value.numpy().astype(np.float64)
    shares = zero_shot.softmax(parity.normalized(image_embeds) @ matrix)
    shown = [round(float(share), 7) for share in shares]
    return {"output": model.graph.outputs[0].name, "probabilities": shown}
