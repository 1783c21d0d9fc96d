"""What the code that defines a checkpoint computes: the truth that every file is measured against.

    python -m stages.reference MODEL data/checkpoints/MODEL data/evalset data/reference/MODEL

The `clip` package's model in float64 on the CPU, or of a network that is not OpenAI's the one of
open_clip or transformers (clip_onnx/openai/definitions.py); OpenAI's tokenizer, or transformers'
of the checkpoint's own; OpenAI's picture transform, or the one that the checkpoint was saved with
(clip_onnx/host/preparation.py). Writes
pixel_values.npy, float32 [P, 3, R, R], and reference.safetensors with `image_embeds` [P, E],
`input_ids` [T, context] and `text_embeds` [T, E], rounded to float32; the context is how many
tokens the model reads. Which pictures and captions these are, and how many, stands beside them as
in data/evalset. Of a tower that the checkpoint lacks there is nothing, and no input.
"""

from safetensors.torch import save_file

from clip_onnx import command
from clip_onnx.checkpoint import architecture
from clip_onnx.host import preparation
from clip_onnx.measure import inputs
from clip_onnx.openai import amounts, command_line, models, pixels

JOINED = (4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 32)  # captions, of 15 tokens as shipped


def chosen(evalset, counts, sizes):
    """(index of the pictures, captions) of the inputs that a model's towers are measured on."""
    index, captions, prompts, towers = [], [], 0, sizes.towers
    if "visual" in towers:
        index = amounts.evaluated(inputs.index(evalset), counts)
    if "textual" in towers:
        texts = inputs.captions(evalset)
        captions, prompts = amounts.captions(texts, counts), texts["prompts"]
        if sizes.context_length > architecture.CONTEXT_LENGTH:
            captions = captions + joined(captions[prompts:])
    return index, {inputs.EVALUATION: captions, "prompts": prompts}


def joined(captions):
    """Several captions as one text, and more of them, for models that read more than OpenAI's."""
    rows = [captions[count : 2 * count] for count in JOINED]
    return [" ".join(row) for row in rows if len(row) > 1]


def of_pictures(given, index, directory):
    """The tensors of the visual tower; pixel_values.npy is written on the way."""
    names, file = [row["name"] for row in index], directory / inputs.PIXELS_FILE
    wanted = preparation.read(given.checkpoint)
    batches = pixels.pixel_values(given.evalset, names, given.sizes.resolution, wanted, file)
    return {"image_embeds": models.embed(given.checkpoint, "visual", batches)}


def of_captions(given, captions):
    """The tensors of the textual tower."""
    input_ids = models.token_ids(given.checkpoint, captions[inputs.EVALUATION], given.sizes)
    batches = pixels.batches(input_ids, "captions")
    embeds = models.embed(given.checkpoint, "textual", batches)
    return {"input_ids": input_ids, "text_embeds": embeds}


def main():
    given = command_line.parse(__doc__)
    towers = given.sizes.towers
    index, captions = chosen(given.evalset, given.amounts, given.sizes)
    with command.output(given.output) as directory:
        tensors = of_pictures(given, index, directory) if "visual" in towers else {}
        tensors |= of_captions(given, captions) if "textual" in towers else {}
        end_id = given.sizes.textual.end_id
        about = None if end_id is None else {"end_id": str(end_id)}
        save_file(tensors, directory / inputs.REFERENCE_FILE, metadata=about)
        inputs.write(directory, index, captions)


if __name__ == "__main__":
    command.run(main)
