"""One client's part of bench/clients.py, in a process that finds the client's packages first.

    python -m bench.client_run CLIENT FOLDER INPUTS.json OUTPUT.npz

FOLDER is a bundle. INPUTS has `texts`, and `pictures`, the paths of files. OUTPUT gets `texts` and
`pictures`, float32 [n, E], those that the client makes.
"""

import json
import sys
from pathlib import Path

import numpy as np

TEXTS, COMBINED = "onnx/text_model.onnx", "model.onnx"


def fastembed(folder, texts, pictures):
    """Its text models of one's own; of pictures it has none (add_custom_model refuses)."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    size = json.loads((Path(folder) / "config.json").read_text("utf-8"))["projection_dim"]
    TextEmbedding.add_custom_model(
        model="a/clip",
        pooling=PoolingType.DISABLED,
        normalization=True,
        sources=ModelSource(hf="a/clip"),
        dim=size,
        model_file=TEXTS,
    )
    return {"texts": [*TextEmbedding("a/clip", specific_model_path=folder).embed(texts)]}


def optimum(folder, texts, pictures):
    """The combined graph, with transformers' own tokenizer and pictures."""
    from optimum.onnxruntime import ORTModelForZeroShotImageClassification as Model
    from PIL import Image
    from transformers import CLIPImageProcessor, CLIPTokenizerFast

    model = Model.from_pretrained(folder, subfolder="onnx", file_name=COMBINED)
    prepare = CLIPImageProcessor.from_pretrained(folder)
    ids = CLIPTokenizerFast.from_pretrained(folder)(texts, return_tensors="pt", padding=True)
    found = [model(**prepare(Image.open(path), return_tensors="pt"), **ids) for path in pictures]
    return {
        "texts": found[0]["text_embeds"].numpy(),
        "pictures": np.concatenate([one["image_embeds"].numpy() for one in found]),
    }


def sentence_transformers(folder, texts, pictures):
    """Its ONNX backend."""
    from sentence_transformers import SentenceTransformer

    return {"texts": SentenceTransformer(folder, backend="onnx").encode(texts)}


CLIENTS = {one.__name__: one for one in (fastembed, optimum, sentence_transformers)}

if __name__ == "__main__":
    name, folder, inputs, output = sys.argv[1:]
    with open(inputs, encoding="utf-8") as file:
        found = CLIENTS[name](folder, **json.load(file))
    np.savez(output, **{kind: np.float32(rows) for kind, rows in found.items()})
