"""The front page's pictures: drawings, and what each model's towers make of them.

    gallery/index.json   {"pictures": [{"file", "label"}], "queries": [TEXT],
                          "models": {NAME: MODEL}}
    gallery/000.webp     300 of them
    gallery/NAME.f32     float32 [pictures + queries, dimensions], unit vectors, little-endian

A MODEL is {"variant", "sha256", "vectors", "none"}: the encoding and the digest of the picture
tower that ran, the file of vectors as {"path", "bytes", "sha256"}, its path relative to index.json,
and a cosine below which no label fits a picture.
"""

import hashlib
import io
import json

import numpy as np
from PIL import Image

from clip_onnx import Clip
from stages.evalset import drawings

COUNT, SIDE, SEED, QUALITY = 300, 160, 11, 80
PREFERRED = "int8w"  # which the pages open with, too
QUERIES = (
    "a large red circle",
    "a small blue star",
    "a yellow heart",
    "a white ring",
    "a large green cross",
)
PROMPT = "a photo of a {}."


def write(folder, bundles, content):
    """Write the gallery to `folder`, with vectors of the models of index.json's `content`.

    bundles is the folder of the models' bundles.
    """
    folder.mkdir()
    labels, pictures = _draw(folder)
    models = {}
    for model in content["models"]:
        variant = _variant(model)
        if variant:
            clip = Clip(bundles / model["name"], encoding=variant)
            models[model["name"]] = _embed(folder, clip, model, labels, pictures)
    listed = [
        {"file": f"{place:03}.webp", "label": str(label)} for place, label in enumerate(labels)
    ]
    index = {"pictures": listed, "queries": QUERIES, "models": models}
    (folder / "index.json").write_text(json.dumps(index, indent=1, allow_nan=False), "utf-8")


def _draw(folder):
    """Every class in turn, shuffled: labels, and the pictures as their files give them back."""
    rng = np.random.default_rng(SEED)
    labels = [drawings.LABELS[place % len(drawings.LABELS)] for place in range(COUNT)]
    labels = [labels[place] for place in rng.permutation(COUNT)]
    pictures = []
    for place, label in enumerate(labels):
        buffer = io.BytesIO()
        Image.fromarray(drawings.draw(rng, label, SIDE)).save(buffer, "WEBP", quality=QUALITY)
        (folder / f"{place:03}.webp").write_bytes(buffer.getvalue())
        pictures.append(Image.open(buffer).convert("RGB"))
    return labels, pictures


def _variant(model):
    """The encoding that embeds the pictures, or None where the model has none of both towers."""
    of = {
        graph: {file["variant"]: file for file in model["files"] if file["graph"] == graph}
        for graph in ("visual", "textual")
    }
    both = [variant for variant in of["visual"] if variant in of["textual"]]
    return PREFERRED if PREFERRED in both else next(iter(both), None)


def _embed(folder, clip, model, labels, pictures):
    images = clip.encode_image(pictures)
    texts = clip.encode_text([PROMPT.format(label) for label in drawings.LABELS])
    vectors = np.concatenate([images, clip.encode_text(QUERIES)])
    path = folder / f"{model['name']}.f32"
    path.write_bytes(vectors.astype("<f4").tobytes())
    tower = next(
        file
        for file in model["files"]
        if (file["graph"], file["variant"]) == ("visual", clip.encoding)
    )
    return {
        "variant": clip.encoding,
        "sha256": tower["sha256"],
        "vectors": {
            "path": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
        "none": _none(images @ texts.T, labels),
    }


def _none(cosines, labels):
    """The cosine below which no label fits: halfway between right labels and wrong ones.

    cosines is [pictures, classes]; of the right ones counts the median, of the wrong ones what 95
    of 100 keep below.
    """
    right = np.array([[label == other for other in drawings.LABELS] for label in labels])
    between = (np.median(cosines[right]) + np.percentile(cosines[~right], 95)) / 2
    return round(float(between), 4)
