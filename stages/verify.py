"""Check a bundle's files on this machine against the embeddings that travel with them.

    python -m stages.verify FOLDER

From pictures and characters on: the folder's own tokenizer and OpenAI's picture transform. One
line a file; exit status 1 if any is below its floor or does not load.
"""

import argparse
import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from stages import command, parity, preprocessing, runtime, tokens


def inputs(folder, golden):
    """{graph: (model inputs, the reference's embeddings)}."""
    side = json.loads((folder / "preprocessor_config.json").read_text())["crop_size"]["height"]
    picture = Image.open(io.BytesIO(base64.b64decode(golden["picture"]["png_base64"])))
    texts = golden["texts"]
    rows = tokens.encode(tokens.load(folder / "tokenizer.json"), [t["caption"] for t in texts])
    for text, row in zip(texts, rows, strict=True):
        if row != text["input_ids"]:
            raise command.Refusal(f"tokenizer.json gives {row} for {text['caption']!r}")
    return {
        "visual": (
            [preprocessing.preprocess(picture, side)[None]],
            np.array([golden["picture"]["image_embeds"]]),
        ),
        "textual": (
            [tokens.pad([row]) for row in rows],
            np.array([text["text_embeds"] for text in texts]),
        ),
    }


def check(folder):
    """(file, worst cosine, floor or None) of every file of a bundle."""
    try:
        golden = json.loads((folder / "golden.json").read_text())
    except FileNotFoundError:
        raise command.Refusal(f"{folder} has no golden.json: give a bundle's folder") from None
    feeds = inputs(folder, golden)
    for name, file in golden["files"].items():
        batches, reference = feeds[file["graph"]]
        try:
            embeds = runtime.run(runtime.session(folder / name), batches)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise command.Refusal(f"{name} does not run: {str(error).splitlines()[0]}") from None
        yield name, float(parity.cosine(reference, embeds).min()), file["cosine_min"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    failed = []
    for name, cosine, floor in check(parser.parse_args().folder):
        below = floor is not None and not cosine >= floor
        failed += [name] * below
        verdict = "no floor" if floor is None else f"{'BELOW' if below else 'above'} {floor}"
        print(f"{name:40} cosine {cosine:.7f}  {verdict}")
    if failed:
        raise command.Refusal(f"below their floors: {', '.join(failed)}")


if __name__ == "__main__":
    command.run(main)
