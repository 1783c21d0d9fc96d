"""Measure one file against OpenAI's own code.

    python -m stages.evaluate data/models/MODEL/TOWER/VARIANT data/reference/MODEL \\
        data/checkpoints/MODEL/tokenizer.json data/eval/MODEL.TOWER.VARIANT.json

Loads the file with ONNX Runtime's default optimisations, runs the evaluation split in every
batch size and padding that must agree and that the file takes, and writes the worst:
parity.measure's metrics, `size_mb`, for visual files the zero-shot `accuracy` on the labelled
drawings, and for 16-bit files how many tensors were not half-precision numbers already
(`rounded_tensors`). Beside them stand the reference's own accuracy, the `control`: another input's
embedding, measured the same way, `cosines`, each input's worst, and `widths`, the bits of every
weight that the file says it has. All in the digits of stages/parity.py.

A profile's file is measured together with what it leaves to the host (stages/host.py), and one of
a fixed length on the captions that fit.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import command, graph, inputs, parity, runtime, tokens


class Truth:
    """What OpenAI's code computes of the evaluation split; `evalset` is for its pictures alone."""

    def __init__(self, reference, evalset=None):
        self.directory, self.evalset = reference, evalset
        self.index = inputs.index(reference)
        captions = inputs.captions(reference)
        self.rows = inputs.rows_of(self.index, inputs.EVALUATION)
        self.labelled = inputs.rows_of(self.index, inputs.LABELLED)
        self.labels = np.array([self.index[row]["label"] for row in self.labelled])
        self.texts = captions[inputs.EVALUATION]
        with inputs.reference(reference) as tensors:
            self.input_ids = tensors.get_tensor("input_ids").astype(np.int64)
            self.text_embeds = tensors.get_tensor("text_embeds")
            self.all_embeds = tensors.get_tensor("image_embeds")
        self.image_embeds = self.all_embeds[self.rows]
        self.classes = self.text_embeds[: captions["prompts"]]

    def pixels(self, rows):
        return inputs.pixels(self.directory, rows)

    def pictures(self):
        """The evaluation pictures one by one, uint8 [height, width, 3]."""
        for row in tqdm(self.rows, desc="pictures"):
            yield inputs.picture(self.evalset, self.index[row]["name"])

    def token_rows(self):
        """The evaluation captions' tokens up to the end token."""
        return [ids[: ids.argmax() + 1] for ids in self.input_ids]


class File:
    """A tower's file, as `visual` and `textual` measure it: stages/evaluate_pytorch.py's Tower is
    another thing that they measure."""

    def __init__(self, directory):
        self.session = runtime.session(directory)
        self.metadata = self.session.get_modelmeta().custom_metadata_map
        self.projection = runtime.projection(directory)
        self.batch, self.length = runtime.fixed_axes(self.session)

    def expected(self, embeds):
        return expected(self.session, embeds)

    def run(self, batches):
        return runtime.run(self.session, batches, self.projection)

    def text_settings(self, rows):
        return runtime.text_settings(rows, self.batch, self.length)


def cosines(reference, runs):
    """The cosine of each input, the worst over `runs`: those that parity.measure summarises."""
    worst = np.min([parity.cosine(reference, embeds) for embeds in runs], axis=0)
    return [parity.repeatable("cosine", cosine) for cosine in worst.tolist()]


def expected(session, embeds):
    """The reference's embeddings as the file gives them out: of length 1 where it normalizes."""
    metadata = session.get_modelmeta().custom_metadata_map
    return parity.normalized(embeds) if metadata.get("normalized") else embeds


def visual(tower, truth):
    """(metrics, the reference's own accuracy, control, cosines) of a visual tower."""
    embeds = tower.expected(truth.image_embeds)

    def run(batches):
        return tower.run(map(truth.pixels, batches))

    runs = [run(batches) for batches in runtime.picture_settings(truth.rows, tower.batch)]
    metrics = parity.measure(embeds, runs, truth.text_embeds)

    labelled = run(runtime.batches(truth.labelled, tower.batch or runtime.BATCH))
    chosen = parity.nearest(labelled, truth.classes)
    metrics["accuracy"] = float((chosen == truth.labels).mean())
    chosen = parity.nearest(truth.all_embeds[truth.labelled], truth.classes)
    control = parity.control(embeds)
    control["accuracy"] = float((np.roll(chosen, 1) == truth.labels).mean())
    own = {"accuracy": float((chosen == truth.labels).mean())}
    return metrics, own, control, cosines(embeds, runs)


def textual(tower, truth, rows):
    """(metrics, nothing, control, cosines) of a textual tower; `rows` are the captions' tokens."""
    fitting = [n for n, row in enumerate(rows) if len(row) <= (tower.length or len(row))]
    if len(fitting) < 2:
        raise command.Refusal(
            f"{len(fitting)} evaluation captions have at most {tower.length} tokens: raise the"
            " profile's length, or add shorter captions to evalset.captions"
        )
    embeds = tower.expected(truth.text_embeds[fitting])
    settings = tower.text_settings([rows[number] for number in fitting])
    runs = [tower.run(batches) for batches in settings]
    metrics = parity.measure(embeds, runs, truth.image_embeds)
    return metrics, {}, parity.control(embeds), cosines(embeds, runs)


def write(path, results, changed="", widths=None):
    """The evaluation's JSON, of what `visual` and the like give."""
    metrics, own, control, worst = results
    figures = {"metrics": metrics, "reference": own, "control": control}
    content = {name: parity.rounded(found) for name, found in figures.items()}
    content |= {"cosines": worst, "rounded": changed, "widths": widths or {}}
    with command.output_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "reference", "tokenizer", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    tower, truth = File(arguments.model), Truth(arguments.reference)
    if tower.metadata["graph"] == "visual":
        results = visual(tower, truth)
    else:
        rows = tokens.encode(tokens.load(arguments.tokenizer), truth.texts)
        results = textual(tower, truth, rows)
    metrics = results[0]
    metrics["size_mb"] = graph.size(arguments.model) / 1e6
    changed = tower.metadata.get("rounded")
    if changed is not None:
        metrics["rounded_tensors"] = len(changed.split())
    widths = json.loads(tower.metadata.get("widths", "{}"))
    write(arguments.output, results, changed or "", widths)


if __name__ == "__main__":
    command.run(main)
