"""What OpenAI's own code computes: the truth that every file is measured against.

    python -m stages.reference data/checkpoints/MODEL data/evalset data/reference/MODEL

The `clip` package's model in fp32 on the CPU, its tokenizer and its picture transform. Writes
reference.safetensors with `pixel_values` [P, 3, R, R], `image_embeds` [P, E] (pictures in
evalset's order), `input_ids` [T, 77] and `text_embeds` [T, E] (evaluation captions, then
calibration).
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from stages import architecture, checkpoint, command, inputs, weights
from stages.openai import tokenize, transform

BATCH = 16


def load_tower(directory, tower):
    """OpenAI's module, computing in fp32, with one tower's weights; the other's have no storage.

    `clip.model.build_model` would first round everything to half precision. That changes nothing
    in OpenAI's files, which are stored rounded, but it would falsify a checkpoint that is not.
    """
    with safe_open(Path(directory) / weights.FILE, framework="pt") as stored:
        model = checkpoint.empty_model(architecture.read(weights.shapes(stored)))
        names = [n for n in stored.keys() if n.startswith("visual.") == (tower == "visual")]  # noqa: SIM118
        state = {name: in_fp32(stored.get_tensor(name)) for name in names}
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
def embed(directory, pixel_values, input_ids):
    """(image_embeds, text_embeds) as `encode_image` and `encode_text` return them."""
    model = load_tower(directory, "visual")
    images = [model.encode_image(batch) for batch in batches(pixel_values, "reference pictures")]
    model = load_tower(directory, "textual")
    texts = [model.encode_text(batch) for batch in batches(input_ids, "reference captions")]
    return torch.cat(images), torch.cat(texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("evalset", type=Path)
    parser.add_argument("output")
    arguments = parser.parse_args()
    with weights.open_weights(arguments.checkpoint) as stored:
        preprocess = transform(architecture.read(weights.shapes(stored)).resolution)
    names = [row["name"] for row in inputs.index(arguments.evalset)]
    with inputs.pictures(arguments.evalset) as pictures:
        pixel_values = torch.stack(
            [preprocess(Image.fromarray(pictures.get_tensor(name))) for name in names]
        )
    captions = inputs.captions(arguments.evalset)
    texts = captions[inputs.EVALUATION] + captions[inputs.CALIBRATION]
    input_ids = tokenize(texts, truncate=True)
    image_embeds, text_embeds = embed(arguments.checkpoint, pixel_values, input_ids)
    tensors = {
        "pixel_values": pixel_values,
        "image_embeds": image_embeds,
        "input_ids": input_ids,
        "text_embeds": text_embeds,
    }
    with command.output(arguments.output) as directory:
        save_file(tensors, directory / inputs.REFERENCE_FILE)


if __name__ == "__main__":
    command.run(main)
