"""A file that is measured: its session, and what it says of itself."""

import json

from clip_onnx.host import sessions
from clip_onnx.measure import parity
from stages.evaluate import decoded


class File:
    """What ONNX Runtime makes of a model's directory.

    stages/evaluate/pytorch.py's Tower is measured in the same way.
    """

    def __init__(self, directory):
        self.session = decoded.session(directory)
        self.size = sum(part.stat().st_size for part in directory.iterdir())  # bytes
        self.metadata = self.session.get_modelmeta().custom_metadata_map
        self.projection = sessions.projection(directory)
        self.batch, self.length = sessions.fixed_axes(self.session)

    @property
    def kind(self):
        """The kind of graph, a module of stages/evaluate/kinds."""
        return self.metadata["graph"]

    def expected(self, embeds):
        """The reference's embeddings as the file gives them out: of length 1 if it normalizes."""
        return parity.normalized(embeds) if self.metadata.get("normalized") else embeds

    def run(self, batches):
        return sessions.run(self.session, batches, self.projection)

    def text_settings(self, rows, context):
        return sessions.text_settings(rows, context, self.batch, self.length)

    def rounded(self):
        """Names of the tensors that a 16-bit encoding rounded, of one tower or of both; None where
        it says nothing of them."""
        stated = self.metadata.get("rounded")
        if stated and stated.startswith("{"):
            stated = ", ".join(filter(None, json.loads(stated).values()))
        return stated

    def widths(self):
        """{tensor: bits} of every weight that the file says it has."""
        return json.loads(self.metadata.get("widths", "{}"))

    def target(self):
        """What the file says of the cosine that it was made for: {"cosine", "met", …}, or None."""
        return json.loads(self.metadata.get("target", "null"))
