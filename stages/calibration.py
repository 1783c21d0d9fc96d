"""What quantisers may look at: the calibration split, as a tower takes it in."""

import numpy as np

from stages import command, inputs

PICTURES, CAPTIONS = 1, 16  # a batch; every layer of it is held at once
EMBEDS = {"visual": "image_embeds", "textual": "text_embeds"}


class Calibration:
    """The calibration inputs of one tower; `batches()` may be called again and again."""

    def __init__(self, evalset, reference, graph):
        self.evalset, self.reference, self.graph = evalset, reference, graph

    def batches(self):
        """pixel_values [B, 3, R, R], or input_ids [B, length] of captions that are equally long.

        No caption is padded: what stands behind EOT would count in the statistics.
        """
        if self.graph == "visual":
            return (inputs.pixels(self.reference, rows) for rows in self._pictures())
        return (input_ids for _, input_ids in self._captions())

    def embeds(self):
        """[n, E]: what OpenAI's code makes of the batches, one after the other."""
        chosen = self._pictures() if self.graph == "visual" else (r for r, _ in self._captions())
        rows = np.concatenate(list(chosen))
        with inputs.reference(self.reference) as reference:
            return reference.get_tensor(EMBEDS[self.graph])[rows]

    def _pictures(self):
        """The rows of each batch."""
        rows = inputs.rows_of(inputs.index(self.evalset), inputs.CALIBRATION)
        if not rows:
            raise command.Refusal(
                f"{self.evalset} has no calibration pictures: give evalset.images more, or raise"
                " evalset.drawn_calibration"
            )
        for start in range(0, len(rows), PICTURES):
            yield rows[start : start + PICTURES]

    def _captions(self):
        """(rows, input_ids) of each batch."""
        evaluated = len(inputs.captions(self.evalset)[inputs.EVALUATION])
        with inputs.reference(self.reference) as reference:
            input_ids = reference.get_tensor("input_ids").astype(np.int64)
        lengths = input_ids.argmax(-1) + 1  # EOT has the highest id
        for length in np.unique(lengths[evaluated:]):
            rows = evaluated + np.flatnonzero(lengths[evaluated:] == length)
            for start in range(0, len(rows), CAPTIONS):
                batch = rows[start : start + CAPTIONS]
                yield batch, input_ids[batch, :length]
