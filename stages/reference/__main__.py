"""What OpenAI's own code computes: the truth that every file is measured against.

    python -m stages.reference MODEL data/checkpoints/MODEL data/evalset data/reference/MODEL

The `clip` package's model in float64 on the CPU, its tokenizer and its picture transform, or the
one that the checkpoint was saved with (clip_onnx/checkpoint/preparation.py). Writes
pixel_values.npy, float32 [P, 3, R, R], and reference.safetensors with `image_embeds` [P, E],
`input_ids` [T, 77] and `text_embeds` [T, E], rounded to float32. Which pictures and captions these
are, and how many, stands beside them as in data/evalset.
"""

from safetensors.torch import save_file

from clip_onnx import command
from clip_onnx.host import preparation
from clip_onnx.measure import inputs
from clip_onnx.openai import amounts, command_line, models, pixels, tokenize


def chosen(evalset, counts):
    """(index of the pictures, captions) of the inputs that a model is measured on."""
    index, texts = inputs.index(evalset), inputs.captions(evalset)
    captions = amounts.captions(texts, counts)
    return amounts.evaluated(index, counts), {inputs.EVALUATION: captions} | {
        "prompts": texts["prompts"]
    }


def main():
    arguments = command_line.parse(__doc__)
    checkpoint = arguments.checkpoint
    sizes = arguments.sizes
    counts = arguments.amounts
    index, captions = chosen(arguments.evalset, counts)
    input_ids = tokenize(captions[inputs.EVALUATION], truncate=True)
    names = [row["name"] for row in index]
    with command.output(arguments.output) as directory:
        file = directory / inputs.PIXELS_FILE
        wanted = preparation.read(checkpoint)
        pictures = pixels.pixel_values(arguments.evalset, names, sizes.resolution, wanted, file)
        texts = pixels.batches(input_ids, "captions")
        tensors = {
            "image_embeds": models.embed(checkpoint, "visual", pictures),
            "input_ids": input_ids,
            "text_embeds": models.embed(checkpoint, "textual", texts),
        }
        save_file(tensors, directory / inputs.REFERENCE_FILE)
        inputs.write(directory, index, captions)


if __name__ == "__main__":
    command.run(main)
