"""A model's answers about published captions and pictures, and how far they are off."""

import contextlib

import numpy as np
from PIL import Image

from clip_onnx import absent, command
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import pictures, preparation, sessions, tokens, zero_shot
from clip_onnx.measure import parity


class Model:
    """Two towers of a model with its tokenizer, asked for embeddings of raw inputs."""

    def __init__(self, visual, textual, checkpoint):
        self.visual, self.textual, self.checkpoint = visual, textual, checkpoint

    def texts(self, captions):
        session = sessions.session(self.textual)
        rows = tokens.encode(tokens.load(self.checkpoint / "tokenizer.json"), captions)
        return sessions.run(session, [tokens.pad(rows)])

    def picture(self, path):
        session = sessions.session(self.visual)
        side = architecture.read(weights.shapes(self.checkpoint)).resolution
        try:
            with Image.open(path) as picture:
                pixels = pictures.preprocess(picture, side, preparation.read(self.checkpoint))
        except OSError as error:
            raise command.Refusal(
                f"{path} cannot be read as a picture, correct known_answers.picture in"
                f" params.yaml: {command.first_line(error)}"
            ) from None
        return sessions.run(session, [pixels[None]])

    def probabilities(self, path, captions):
        """[captions] softmax of the logits that `CLIP.forward` computes."""
        logits = parity.normalized(self.picture(path)) @ parity.normalized(self.texts(captions)).T
        return zero_shot.softmax(weights.logit_scale(self.checkpoint) * logits[0])


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
    """{name: how the model's answer differs} of those that belong to a checkpoint.

    One that takes a tower which the model lacks is left out.
    """
    compared = {}
    for answer in listed:
        if answer["checkpoint_sha256"] != sha256:
            continue
        with contextlib.suppress(absent.Absent):
            if "caption" in answer:
                compared[answer["name"]] = text_answer(model, answer)
            elif picture:
                compared[answer["name"]] = picture_answer(model, answer, picture)
    return compared
