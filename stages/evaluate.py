"""Measure one file against OpenAI's own code.

    python -m stages.evaluate data/models/MODEL/TOWER/VARIANT data/reference/MODEL \\
        data/checkpoints/MODEL/tokenizer.json data/evalset data/eval/MODEL.TOWER.VARIANT.json

Loads the file with ONNX Runtime's default optimisations, runs the evaluation split in every
batch size and padding that must agree, and writes the worst: parity.measure's metrics, `size_mb`,
and for visual files the zero-shot `accuracy` on the labelled drawings. Beside them stand the
reference's own accuracy, and the `control`: another input's embedding, measured the same way.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from stages import command, graph, parity, runtime, tokens
from stages.drawings import LABELS
from stages.evalset import EVALUATION, LABELLED

DIGITS = {"snr_db": 1, "accuracy": 4, "top1_agreement": 4, "size_mb": 3}


def rounded(metrics):
    """Digits that a rerun on the same kind of machine repeats."""
    return {name: round(value, DIGITS.get(name, 7)) for name, value in metrics.items()}


def rows_of(index, split):
    return [number for number, row in enumerate(index) if row["split"] == split]


def visual(tower, reference, index, text_embeds):
    """(metrics, the reference's own accuracy, control) of a visual tower."""
    pixels, embeds = reference.get_slice("pixel_values"), reference.get_tensor("image_embeds")
    evaluation, labelled = rows_of(index, EVALUATION), rows_of(index, LABELLED)
    labels = np.array([index[row]["label"] for row in labelled])
    inputs = np.stack([pixels[row] for row in evaluation])
    runs = [runtime.run(tower, batches) for batches in runtime.picture_settings(inputs).values()]
    metrics = parity.measure(embeds[evaluation], runs, text_embeds)

    drawings = (np.stack([pixels[row] for row in rows]) for rows in runtime.batches(labelled))
    prompts = text_embeds[: len(LABELS)]
    chosen = parity.nearest(runtime.run(tower, drawings), prompts)
    metrics["accuracy"] = float((chosen == labels).mean())
    best = float((parity.nearest(embeds[labelled], prompts) == labels).mean())
    return metrics, {"accuracy": best}, parity.control(embeds[evaluation])


def textual(tower, reference, index, rows, text_embeds):
    """(metrics, nothing, control) of a textual tower; `rows` are the captions' tokens."""
    images = reference.get_tensor("image_embeds")[rows_of(index, EVALUATION)]
    runs = [runtime.run(tower, batches) for batches in runtime.text_settings(rows).values()]
    return parity.measure(text_embeds, runs, images), {}, parity.control(text_embeds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "tokenizer", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    index = json.loads((arguments.evalset / "pictures.json").read_text())
    captions = json.loads((arguments.evalset / "captions.json").read_text())[EVALUATION]
    tower = runtime.session(arguments.model)
    metadata = tower.get_modelmeta().custom_metadata_map
    path = arguments.reference / "reference.safetensors"
    with safe_open(path, framework="numpy") as reference:
        text_embeds = reference.get_tensor("text_embeds")[: len(captions)]
        if metadata["graph"] == "visual":
            results = visual(tower, reference, index, text_embeds)
        else:
            rows = tokens.encode(tokens.load(arguments.tokenizer), captions)
            results = textual(tower, reference, index, rows, text_embeds)
    metrics, own, control = results
    metrics["size_mb"] = graph.size(arguments.model) / 1e6
    content = {
        "metrics": rounded(metrics),
        "reference": rounded(own),
        "control": rounded(control),
        "rounded": metadata.get("rounded", ""),
    }
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    command.run(main)
