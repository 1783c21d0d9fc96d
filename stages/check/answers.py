"""A model's answers about published captions, pictures and noise, and how far they are off.

An answer has the keys of its kind: of `text_embeds` the first values of a caption's embedding, of
`probabilities` those of captions for a picture, of `embeds_mean` the mean of the embedding, made of
unit length, that a `tower` makes of noise.
"""

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image

from clip_onnx import absent, command
from clip_onnx.checkpoint import architecture, weights
from clip_onnx.host import pictures, preparation, sessions, tokens, zero_shot
from clip_onnx.measure import parity
from stages.check import noise


class Model:
    """Two towers of a model with its tokenizer, asked for embeddings of raw inputs."""

    def __init__(self, visual, textual, checkpoint):
        self.visual, self.textual, self.checkpoint = visual, textual, checkpoint

    @property
    def side(self):
        return architecture.of(self.checkpoint).resolution

    def texts(self, captions):
        session = sessions.session(self.textual)
        context = architecture.of(self.checkpoint).context_length
        rows = tokens.encode(tokens.load(self.checkpoint / "tokenizer.json", context), captions)
        return sessions.run(session, [tokens.pad(rows)])

    def picture(self, path):
        session = sessions.session(self.visual)
        try:
            with Image.open(path) as picture:
                pixels = pictures.preprocess(picture, self.side, preparation.read(self.checkpoint))
        except Exception as error:  # Pillow's many: of a bomb it is none of the system's
            raise command.Refusal(
                f"{path} cannot be read as a picture, replace it or take it out of"
                f" known_answers.pictures of params.yaml: {command.first_line(error)}"
            ) from None
        return sessions.run(session, [pixels[None]])

    def probabilities(self, path, captions):
        """[captions] softmax of the logits that `CLIP.forward` computes."""
        logits = parity.normalized(self.picture(path)) @ parity.normalized(self.texts(captions)).T
        return zero_shot.softmax(weights.logit_scale(self.checkpoint) * logits[0])

    def noise(self, tower):
        """[1, E] of torch's noise: pixel values, or token ids."""
        pixels, input_ids = noise.drawn()
        if tower == "textual":
            return sessions.run(sessions.session(self.textual), [input_ids])
        return sessions.run(sessions.session(self.visual), [pixels[self.side]])


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


def noise_answer(model, answer):
    """The mean of the values of noise's unit embedding against the published one."""
    mean = float(parity.normalized(model.noise(answer["tower"])).mean())
    difference = abs(mean - answer["embeds_mean"])
    agrees = difference <= answer["tolerance"]
    return {"agrees": agrees} | parity.rounded({"largest_difference": difference})


def answers(model, listed, sha256, folder):
    """{name: how the model's answer differs} of those that belong to a checkpoint.

    One that takes a tower which the model lacks is left out, and so is one about a picture that is
    not in the folder.
    """
    compared = {}
    for answer in listed:
        if answer["checkpoint_sha256"] != sha256:
            continue
        with contextlib.suppress(absent.Absent):
            if "caption" in answer:
                compared[answer["name"]] = text_answer(model, answer)
            elif "tower" in answer:
                compared[answer["name"]] = noise_answer(model, answer)
            elif folder and (Path(folder) / answer["picture"]).exists():
                path = Path(folder) / answer["picture"]
                compared[answer["name"]] = picture_answer(model, answer, path)
    return compared


def check_folder(folder, listed):
    """Refuse a folder in which none of the pictures is that answers are about."""
    names = sorted({answer["picture"] for answer in listed if "picture" in answer})
    if folder and not any((Path(folder) / name).exists() for name in names):
        raise command.Refusal(
            f"{folder} has none of {', '.join(names)}, correct known_answers.pictures of"
            " params.yaml"
        )
