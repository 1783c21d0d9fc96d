"""What OpenAI's own code computes: the truth that every file is measured against.

    python -m stages.reference MODEL data/checkpoints/MODEL data/evalset data/reference/MODEL

The `clip` package's model in float64 on the CPU, its tokenizer and its picture transform. Writes
pixel_values.npy, float32 [P, 3, R, R], and reference.safetensors with `image_embeds` [P, E],
`input_ids` [T, 77] and `text_embeds` [T, E], rounded to float32. Which pictures and captions these
are, and how many, stands beside them as in data/evalset.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tqdm import tqdm

from stages import amounts, architecture, checkpoint, command, inputs, params, weights
from stages.openai import LayerNorm, tokenize, transform

BATCH = 4  # of 448 x 448 pixels in RN50x64: 2 GB of activations


def load_tower(directory, tower, dtype=torch.float32):
    """OpenAI's module, computing in a dtype, with one tower's weights; the other's have no storage.

    `clip.model.build_model` would first round everything to half precision. That changes nothing
    in OpenAI's files, which are stored rounded, but it would falsify a checkpoint that is not.
    """
    shapes = weights.shapes(directory)
    model = checkpoint.empty_model(architecture.read(shapes)).to(dtype)
    lift_casts(model)
    names = [name for name in shapes if name.startswith("visual.") == (tower == "visual")]
    state = {name: cast(torch.from_numpy(weights.read(directory, name)), dtype) for name in names}
    missing, _ = model.load_state_dict(state, assign=True, strict=False)
    assert all(name.startswith("visual.") != (tower == "visual") for name in missing)
    for block in model.transformer.resblocks:
        block.attn_mask = model.build_attention_mask()  # the meta device kept only its shape
    return model.eval()


def lift_casts(model):
    """Let OpenAI's LayerNorm compute in the type of its inputs, not in fp32 whatever they are."""
    for part in model.modules():
        if isinstance(part, LayerNorm):
            part.forward = super(LayerNorm, part).forward


def cast(tensor, dtype):
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def batches(items, title):
    steps = range(0, len(items), BATCH)
    return (items[start : start + BATCH] for start in tqdm(steps, desc=title))


@torch.inference_mode()
def embed(directory, tower, batches, dtype=torch.float64):
    """float32 [n, E] of all the batches, as `encode_image` or `encode_text` returns them."""
    model = load_tower(directory, tower, dtype)
    encode = model.encode_image if tower == "visual" else model.encode_text
    return torch.cat([encode(batch).float() for batch in batches])


def pixel_values(evalset, names, side, path):
    """Batches [B, 3, side, side] of the evaluation set's pictures, written to `path` on the way."""
    preprocess = transform(side)
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), 3, side, side)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in batches(names, "pictures"):
            pictures = (Image.fromarray(inputs.picture(evalset, name)) for name in batch)
            pixels = torch.stack([preprocess(picture) for picture in pictures])
            pixels.numpy().tofile(file)
            yield pixels


def chosen(evalset, counts):
    """(index of the pictures, captions) of the inputs that a model is measured on."""
    index, texts = inputs.index(evalset), inputs.captions(evalset)
    captions = amounts.captions(texts, counts)
    return amounts.evaluated(index, counts), {inputs.EVALUATION: captions} | {
        "prompts": texts["prompts"]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    for name in ("checkpoint", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    sizes = architecture.read(weights.shapes(arguments.checkpoint))
    counts = amounts.of(params.load(), arguments.model, sizes)
    index, captions = chosen(arguments.evalset, counts)
    input_ids = tokenize(captions[inputs.EVALUATION], truncate=True)
    names = [row["name"] for row in index]
    with command.output(arguments.output) as directory:
        pixels = directory / inputs.PIXELS_FILE
        pictures = pixel_values(arguments.evalset, names, sizes.resolution, pixels)
        tensors = {
            "image_embeds": embed(arguments.checkpoint, "visual", pictures),
            "input_ids": input_ids,
            "text_embeds": embed(arguments.checkpoint, "textual", batches(input_ids, "captions")),
        }
        save_file(tensors, directory / inputs.REFERENCE_FILE)
        inputs.write(directory, index, captions)


if __name__ == "__main__":
    command.run(main)
