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

from stages import command, graph, inputs, parity, runtime, tokens

DIGITS = {"snr_db": 1, "accuracy": 4, "top1_agreement": 4, "size_mb": 3}


def rounded(metrics):
    """Digits that a rerun on the same kind of machine repeats."""
    return {name: round(value, DIGITS.get(name, 7)) for name, value in metrics.items()}


def visual(tower, reference, index, text_embeds, prompts):
    """(metrics, the reference's own accuracy, control) of a visual tower."""
    pixels, embeds = reference.get_slice("pixel_values"), reference.get_tensor("image_embeds")
    evaluation = inputs.rows_of(index, inputs.EVALUATION)
    labelled = inputs.rows_of(index, inputs.LABELLED)
    labels = np.array([index[row]["label"] for row in labelled])
    settings = runtime.picture_settings(np.stack([pixels[row] for row in evaluation]))
    runs = [runtime.run(tower, batches) for batches in settings.values()]
    metrics = parity.measure(embeds[evaluation], runs, text_embeds)

    drawings = (np.stack([pixels[row] for row in rows]) for rows in runtime.batches(labelled))
    classes = text_embeds[:prompts]
    chosen = parity.nearest(runtime.run(tower, drawings), classes)
    metrics["accuracy"] = float((chosen == labels).mean())
    best = float((parity.nearest(embeds[labelled], classes) == labels).mean())
    return metrics, {"accuracy": best}, parity.control(embeds[evaluation])


def textual(tower, reference, index, rows, text_embeds):
    """(metrics, nothing, control) of a textual tower; `rows` are the captions' tokens."""
    images = reference.get_tensor("image_embeds")[inputs.rows_of(index, inputs.EVALUATION)]
    runs = [runtime.run(tower, batches) for batches in runtime.text_settings(rows).values()]
    return parity.measure(text_embeds, runs, images), {}, parity.control(text_embeds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "tokenizer", "evalset", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    index, captions = inputs.index(arguments.evalset), inputs.captions(arguments.evalset)
    texts = captions[inputs.EVALUATION]
    tower = runtime.session(arguments.model)
    metadata = tower.get_modelmeta().custom_metadata_map
    path = arguments.reference / "reference.safetensors"
    with safe_open(path, framework="numpy") as reference:
        text_embeds = reference.get_tensor("text_embeds")[: len(texts)]
        if metadata["graph"] == "visual":
            results = visual(tower, reference, index, text_embeds, captions["prompts"])
        else:
            rows = tokens.encode(tokens.load(arguments.tokenizer), texts)
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
