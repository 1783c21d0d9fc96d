"""What OpenAI's own code computes: the truth that every file is measured against.

    python -m stages.reference data/checkpoints/MODEL data/evalset data/reference/MODEL

The `clip` package's model in fp32 on the CPU, its tokenizer and its picture transform. Writes
pixel_values.npy, float32 [P, 3, R, R], and reference.safetensors with `image_embeds` [P, E]
(pictures in evalset's order), `input_ids` [T, 77] and `text_embeds` [T, E] (evaluation captions,
then calibration).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tqdm import tqdm

from stages import architecture, checkpoint, command, inputs, weights
from stages.openai import tokenize, transform

BATCH = 8  # of 448 x 448 pixels in RN50x64: 2 GB of activations


def load_tower(directory, tower):
    """OpenAI's module, computing in fp32, with one tower's weights; the other's have no storage.

    `clip.model.build_model` would first round everything to half precision. That changes nothing
    in OpenAI's files, which are stored rounded, but it would falsify a checkpoint that is not.
    """
    shapes = weights.shapes(directory)
    model = checkpoint.empty_model(architecture.read(shapes))
    names = [name for name in shapes if name.startswith("visual.") == (tower == "visual")]
    state = {name: in_fp32(torch.from_numpy(weights.read(directory, name))) for name in names}
    missing, _ = model.load_state_dict(state, assign=True, strict=False)
    assert all(name.startswith("visual.") != (tower == "visual") for name in missing)
    for block in model.transformer.resblocks:
        block.attn_mask = model.build_attention_mask()  # the meta device kept only its shape
    return model.eval()


def in_fp32(tensor):
    return tensor.float() if tensor.is_floating_point() else tensor


def batches(items, title):
    steps = range(0, len(items), BATCH)
    return (items[start : start + BATCH] for start in tqdm(steps, desc=title))


@torch.inference_mode()
def embed(directory, tower, batches):
    """[n, E] embeddings of all the batches, as `encode_image` or `encode_text` returns them."""
    model = load_tower(directory, tower)
    encode = model.encode_image if tower == "visual" else model.encode_text
    return torch.cat([encode(batch) for batch in batches])


def pixel_values(evalset, side, path):
    """Batches [B, 3, side, side] of the evaluation set's pictures, written to `path` on the way."""
    names, preprocess = [row["name"] for row in inputs.index(evalset)], transform(side)
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), 3, side, side)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches(names, "reference pictures"):
            pictures = (Image.fromarray(inputs.picture(evalset, name)) for name in batch)
            pixels = torch.stack([preprocess(picture) for picture in pictures])
            pixels.numpy().tofile(file)
            yield pixels


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("evalset", type=Path)
    parser.add_argument("output")
    arguments = parser.parse_args()
    side = architecture.read(weights.shapes(arguments.checkpoint)).resolution
    captions = inputs.captions(arguments.evalset)
    texts = captions[inputs.EVALUATION] + captions[inputs.CALIBRATION]
    input_ids = tokenize(texts, truncate=True)
    with command.output(arguments.output) as directory:
        pictures = pixel_values(arguments.evalset, side, directory / inputs.PIXELS_FILE)
        tensors = {
            "image_embeds": embed(arguments.checkpoint, "visual", pictures),
            "input_ids": input_ids,
            "text_embeds": embed(
                arguments.checkpoint, "textual", batches(input_ids, "reference captions")
            ),
        }
        save_file(tensors, directory / inputs.REFERENCE_FILE)


if __name__ == "__main__":
    command.run(main)
