"""Compare a model with figures that others published of OpenAI's own.

    python -m stages.check data/models/MODEL data/checkpoints/MODEL stages/known_answers.json \\
        data/eval/MODEL.known-answers.json

An answer belongs to one checkpoint by its SHA-256, so that a first run on OpenAI's file proves
the whole chain: download, export, tokenizer, picture transform, runtime. The fp32 files answer.
An answer about a picture is left out until `known_answers.picture` of params.yaml says where it
is. What belongs to another checkpoint is not compared: most models get an empty list.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from stages import architecture, command, params, parity, preprocessing, runtime, tokens, weights

ENCODING = "fp32"


class Model:
    """The fp32 towers of a model with its tokenizer, asked for embeddings of raw inputs."""

    def __init__(self, models, checkpoint):
        self.models, self.checkpoint = models, checkpoint

    def _session(self, tower):
        return runtime.session(self.models / tower / ENCODING)

    def texts(self, captions):
        rows = tokens.encode(tokens.load(self.checkpoint / "tokenizer.json"), captions)
        return runtime.run(self._session("textual"), [tokens.pad(rows)])

    def picture(self, path):
        side = architecture.read(weights.shapes(self.checkpoint)).resolution
        try:
            with Image.open(path) as picture:
                pixels = preprocessing.preprocess(picture, side)
        except OSError as error:
            raise command.Refusal(
                f"{path} cannot be read as a picture, correct known_answers.picture in"
                f" params.yaml: {command.first_line(error)}"
            ) from None
        return runtime.run(self._session("visual"), [pixels[None]])

    def probabilities(self, path, captions):
        """[captions] softmax of the logits that `CLIP.forward` computes."""
        logits = parity.normalized(self.picture(path)) @ parity.normalized(self.texts(captions)).T
        logits = logits[0] * np.exp(weights.read(self.checkpoint, "logit_scale").astype(float))
        odds = np.exp(logits - logits.max())
        return odds / odds.sum()


def text_answer(model, answer):
    """The first values of one caption's embedding against the published ones."""
    published = np.array(answer["text_embeds"])
    embeds = model.texts([answer["caption"]])[0, : len(published)].astype(float)
    difference = float(np.abs(embeds - published).max())
    cosine = float(parity.cosine(published, embeds))
    agrees = difference <= answer["tolerance"] and cosine >= answer["cosine_min"]
    found = {"largest_difference": difference, "cosine": cosine}
    return {"agrees": agrees} | parity.rounded(found)


def picture_answer(model, answer, path):
    """The probabilities of captions for a picture against the published ones."""
    found = model.probabilities(path, answer["captions"])
    difference = float(np.abs(found - answer["probabilities"]).max())
    agrees = difference <= answer["tolerance"]
    return {"agrees": agrees} | parity.rounded({"largest_difference": difference})


def answers(model, listed, sha256, picture):
    """{name: how the model's answer differs} of those that belong to a checkpoint."""
    compared = {}
    for answer in listed:
        if answer["checkpoint_sha256"] != sha256:
            continue
        if "caption" in answer:
            compared[answer["name"]] = text_answer(model, answer)
        elif picture:
            compared[answer["name"]] = picture_answer(model, answer, picture)
    return compared


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("models", "checkpoint", "answers", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    settings = params.load()
    compared = {}
    if ENCODING in settings.grid.encodings.convert:
        compared = answers(
            Model(arguments.models, arguments.checkpoint),
            json.loads(arguments.answers.read_text()),
            weights.sha256(arguments.checkpoint),
            settings.known_answers.picture,
        )
    with command.output_file(arguments.output) as partial:
        partial.write_text(json.dumps(compared, indent=1, allow_nan=False))


if __name__ == "__main__":
    command.run(main)
