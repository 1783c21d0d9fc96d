"""Measure one file against OpenAI's own code.

    python -m stages.evaluate data/models/MODEL/TOWER/VARIANT data/reference/MODEL \\
        data/checkpoints/MODEL/tokenizer.json data/evalset data/eval/MODEL.TOWER.VARIANT.json

Loads the file with ONNX Runtime's default optimisations, runs the evaluation split in every
batch size and padding that must agree and that the file takes, and writes the worst:
parity.measure's metrics, `size_mb`, for visual files the zero-shot `accuracy` on the labelled
drawings, and for 16-bit files how many tensors were not half-precision numbers already
(`rounded_tensors`). Beside them stand the reference's own accuracy, the `control`: another input's
embedding, measured the same way, `cosines`, each input's worst, and `widths`, the bits of every
weight that the file says it has.

A profile's file is measured together with what it leaves to the host (stages/host.py), and one of
a fixed length on the captions that fit.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

from stages import command, graph, inputs, parity, runtime, tokens

DIGITS = {"snr_db": 1, "accuracy": 4, "top1_agreement": 4, "size_mb": 3}
OTHERS_DIGITS = 7


def repeatable(value, digits=OTHERS_DIGITS):
    """Digits that a rerun on the same kind of machine repeats; null for what is no number."""
    return round(value, digits) if math.isfinite(value) else None


def rounded(metrics):
    return {
        name: repeatable(value, DIGITS.get(name, OTHERS_DIGITS)) for name, value in metrics.items()
    }


def cosines(reference, runs):
    """The cosine of each input, the worst over `runs`: those that parity.measure summarises."""
    worst = np.min([parity.cosine(reference, embeds) for embeds in runs], axis=0)
    return [repeatable(cosine) for cosine in worst.tolist()]


def expected(tower, embeds):
    """The reference's embeddings as the file gives them out: of length 1 where it normalizes."""
    metadata = tower.get_modelmeta().custom_metadata_map
    return parity.normalized(embeds) if metadata.get("normalized") else embeds


def visual(tower, directory, reference, index, text_embeds, prompts):
    """(metrics, the reference's own accuracy, control, cosines) of a visual tower."""
    embeds = expected(tower, reference.get_tensor("image_embeds"))
    evaluation = inputs.rows_of(index, inputs.EVALUATION)
    labelled = inputs.rows_of(index, inputs.LABELLED)
    labels = np.array([index[row]["label"] for row in labelled])

    def run(batches):
        return runtime.run(tower, (inputs.pixels(directory, rows) for rows in batches))

    batch, _ = runtime.fixed_axes(tower)
    runs = [run(batches) for batches in runtime.picture_settings(evaluation, batch)]
    metrics = parity.measure(embeds[evaluation], runs, text_embeds)

    classes = text_embeds[:prompts]
    chosen = parity.nearest(run(runtime.batches(labelled, batch or runtime.BATCH)), classes)
    metrics["accuracy"] = float((chosen == labels).mean())
    chosen = parity.nearest(embeds[labelled], classes)
    control = parity.control(embeds[evaluation])
    control["accuracy"] = float((np.roll(chosen, 1) == labels).mean())
    own = {"accuracy": float((chosen == labels).mean())}
    return metrics, own, control, cosines(embeds[evaluation], runs)


def textual(tower, reference, index, rows, text_embeds, projection):
    """(metrics, nothing, control, cosines) of a textual tower; `rows` are the captions' tokens."""
    images = reference.get_tensor("image_embeds")[inputs.rows_of(index, inputs.EVALUATION)]
    batch, length = runtime.fixed_axes(tower)
    fitting = [number for number, row in enumerate(rows) if len(row) <= (length or len(row))]
    if len(fitting) < 2:
        raise command.Refusal(
            f"{len(fitting)} evaluation captions have at most {length} tokens: raise the profile's"
            " length, or add shorter captions to evalset.captions"
        )
    rows, embeds = [rows[number] for number in fitting], expected(tower, text_embeds[fitting])
    settings = runtime.text_settings(rows, batch, length)
    runs = [runtime.run(tower, batches, projection) for batches in settings]
    metrics = parity.measure(embeds, runs, images)
    return metrics, {}, parity.control(embeds), cosines(embeds, runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "tokenizer", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    index, captions = inputs.index(arguments.evalset), inputs.captions(arguments.evalset)
    texts = captions[inputs.EVALUATION]
    tower = runtime.session(arguments.model)
    metadata = tower.get_modelmeta().custom_metadata_map
    with inputs.reference(arguments.reference) as reference:
        text_embeds = reference.get_tensor("text_embeds")[: len(texts)]
        if metadata["graph"] == "visual":
            results = visual(
                tower, arguments.reference, reference, index, text_embeds, captions["prompts"]
            )
        else:
            rows = tokens.encode(tokens.load(arguments.tokenizer), texts)
            projection = runtime.projection(arguments.model)
            results = textual(tower, reference, index, rows, text_embeds, projection)
    metrics, own, control, worst = results
    metrics["size_mb"] = graph.size(arguments.model) / 1e6
    changed = metadata.get("rounded")
    if changed is not None:
        metrics["rounded_tensors"] = len(changed.split())
    content = {
        "metrics": rounded(metrics),
        "reference": rounded(own),
        "control": rounded(control),
        "cosines": worst,
        "rounded": changed or "",
        "widths": json.loads(metadata.get("widths", "{}")),
    }
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False))


if __name__ == "__main__":
    command.run(main)
