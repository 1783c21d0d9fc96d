"""What a graph is fed with, and what OpenAI's code makes of it: a few inputs of the reference."""

import numpy as np

from clip_onnx.host import sessions
from clip_onnx.measure import inputs
from stages.evaluate import kinds


class Sample:
    """`count` inputs of a reference directory data/reference/MODEL, spread over all of them; None
    of a tower that the model lacks."""

    def __init__(self, reference, count):
        self.directory, self.count = reference, count
        self.data, self.model = reference.parent.parent, reference.name
        with inputs.reference(reference) as tensors:
            found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
            self.token_rows = inputs.token_rows(tensors) if "input_ids" in found else None
        self.image_embeds, self.text_embeds = found.get("image_embeds"), found.get("text_embeds")
        self.input_ids = found.get("input_ids")

    def spread(self, rows):
        """`count` of the rows."""
        places = np.linspace(0, len(rows) - 1, min(self.count, len(rows))).astype(int)
        return np.asarray(rows)[places]

    def pixels(self):
        """(pixel_values, their image_embeds)."""
        rows = self.spread(range(len(self.image_embeds)))
        return inputs.pixels(self.directory, rows), self.image_embeds[rows]

    def texts(self, length=None):
        """(int64 input_ids, their text_embeds), padded with 0; those that fit into `length`."""
        length = length or self.input_ids.shape[1]
        fitting = [n for n, row in enumerate(self.token_rows) if len(row) <= length]
        rows = self.spread(fitting)
        return self.input_ids[rows, :length].astype(np.int64), self.text_embeds[rows]

    def pictures(self):
        """(picture uint8 [height, width, 3], row of the reference) of evaluation pictures."""
        index = inputs.index(self.directory)
        for row in self.spread(inputs.rows_of(index, inputs.EVALUATION)):
            yield inputs.picture(self.data / "evalset", index[row]["name"]), row


def of(session, sample):
    """[(feeds, {output: what it should be})]: one run of the graph each.

    An output that is not named has no counterpart in OpenAI's code.
    """
    return CASES[session.get_modelmeta().custom_metadata_map["graph"]](session, sample)


def visual(session, sample):
    pixels, embeds = sample.pixels()
    return [(sessions.feeds(session, pixels), {session.get_outputs()[0].name: embeds})]


def textual(session, sample):
    _, length = sessions.fixed_axes(session)
    ids, embeds = sample.texts(length)
    return [(sessions.feeds(session, ids), {session.get_outputs()[0].name: embeds})]


def combined(session, sample):
    pixels, image_embeds = sample.pixels()
    ids, text_embeds = sample.texts()
    expected = {"image_embeds": image_embeds, "text_embeds": text_embeds}
    return [(sessions.named(session, pixels, ids), expected)]


def classifier(session, sample):
    pixels, embeds = sample.pixels()
    metadata = session.get_modelmeta().custom_metadata_map
    checkpoint = sample.data / "checkpoints" / sample.model
    labels_by = sample.data / "patch" / sample.model / "textual/std"
    probabilities = kinds.classifier.probabilities(embeds, metadata, checkpoint, labels_by)
    return [(sessions.feeds(session, pixels), {"probabilities": probabilities})]


def image(session, sample):
    name = session.get_outputs()[0].name
    return [
        (sessions.feeds(session, picture), {name: sample.image_embeds[[row]]})
        for picture, row in sample.pictures()
    ]


def preprocess(session, sample):
    return [
        (sessions.feeds(session, picture), {"pixel_values": inputs.pixels(sample.directory, [row])})
        for picture, row in sample.pictures()
    ]


CASES = {
    "visual": visual,
    "textual": textual,
    "combined": combined,
    "classifier": classifier,
    "image": image,
    "preprocess": preprocess,
}
