"""What a tower does on the calibration split, as `data/calibration/MODEL` holds it.

stages/calibrate writes it, in one float64 pass, and says what stands in which file. Nothing
here needs torch.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open

from clip_onnx import host
from clip_onnx.checkpoint import architecture
from clip_onnx.measure import inputs

UNIT = 2**15 - 1  # a correlation of 1, in int16
CAPTIONS = 16  # a batch


class Moments(NamedTuple):
    """Of the inputs x of a weight [N, K]: how they are on average, and how they go together.

    Correlations are kept in int16: an error of 1.5e-5, and another step away from the last bit,
    in which CPUs differ.
    """

    mean: np.ndarray  # float32 [K], E[x]
    size: np.ndarray  # float32 [K], sqrt(E[x²])
    correlations: np.ndarray  # int16, E[x xᵀ] over both sizes; the lower triangle, row by row

    @classmethod
    def of(cls, mean, second):
        """From float64 E[x] and E[x xᵀ], of which the lower triangle is read."""
        size = np.sqrt(np.diag(second))
        inverse = np.divide(UNIT, size, out=np.zeros_like(size), where=size > 0)
        rows = [
            np.rint(second[k, : k + 1] * (inverse[k] / UNIT) * inverse[: k + 1])
            for k in range(len(size))
        ]
        correlations = np.concatenate([row.astype(np.int16) for row in rows])
        return cls(mean.astype(np.float32), size.astype(np.float32), correlations)

    def scaled(self, factor):
        """Of inputs divided by `factor` [K]; exact where that is a power of two."""
        return self._replace(mean=self.mean / factor, size=self.size / factor)

    def squares(self):
        """float64 [K]: E[x²]."""
        return self.size.astype(np.float64) ** 2

    def second(self, order):
        """float64 [K, K], column by column: E[x xᵀ] of the inputs in an order."""
        count = len(self.size)
        whole, start = np.zeros((count, count), np.int16), 0
        for k in range(count):
            whole[k, : k + 1] = self.correlations[start : start + k + 1]
            start += k + 1
        whole |= np.tril(whole, -1).T
        size = self.size[order].astype(np.float64)
        result = whole[np.ix_(order, order)].T.astype(np.float64, order="F")
        result *= size / UNIT
        result *= size[:, None]
        return result

    def slack(self, order):
        """float64 [K]: what the diagonal needs more, so that rounded correlations stay positive.

        The rounding of the correlations is a random symmetric matrix, whose largest eigenvalue is
        twice a value's deviation times the root of their number; twice that is far from it.
        """
        deviation = 1 / UNIT / np.sqrt(12)
        return self.squares()[order] * 4 * deviation * np.sqrt(len(self.size))


class Calibration:
    """One tower's part of data/calibration/MODEL; `batches()` may be called again and again."""

    FILE = "tower.safetensors"

    def __init__(self, directory, tower):
        self.directory, self.tower = Path(directory), tower

    @property
    def model(self):
        """The name of the model, which its folder has."""
        return self.directory.name

    def _open(self, file=FILE):
        return safe_open(self.directory / self.tower / file, framework="numpy")

    def _read(self, name):
        with self._open() as file:
            return file.get_tensor(name)

    def sizes(self):
        """The architecture.Architecture of the model."""
        with self._open() as file:
            return architecture.of_written(json.loads(file.metadata()["architecture"]))

    def moments(self, name):
        """The Moments of what the weight of this name reads, OpenAI's name without `visual.`."""
        with self._open(f"{name}.safetensors") as file:
            return Moments(*map(file.get_tensor, Moments._fields))

    def extremes(self, name):
        """float32 [2, pictures, channels]: the least and the largest values in a ResNet's place.

        Places are CONVOLUTION.input, NORM.output and BLOCK.sum, what a block adds up.
        """
        return self._read(name)

    def embeds(self):
        """float32 [n, E]: what OpenAI's code makes of the batches, one after the other."""
        return self._read("embeds")

    def batches(self, size=1):
        """pixel_values [B, 3, R, R] of at most `size` pictures, or input_ids [B, length] of
        captions that are equally long.

        No caption is padded: what stands behind EOT would count in the statistics.
        """
        if self.tower == "visual":
            pixels = np.load(self.directory / inputs.PIXELS_FILE, mmap_mode="r")
            for start in range(0, len(pixels), size):
                yield np.array(pixels[start : start + size])
        else:
            yield from self._texts("input_ids")

    def scrambled(self):
        """input_ids [B, length] of the texts besides captions that calibrated, as `batches` has
        them; none of the visual tower. `embeds` has nothing of them."""
        if self.tower == "textual":
            yield from self._texts("scrambled")

    def _texts(self, name):
        return equally_long(self._read(name), self.sizes().textual.end_id)


def equally_long(input_ids, end_id=None):
    """Batches [B, length] of captions, the shortest first, each cut behind its EOT."""
    lengths = host.eot_positions(input_ids, end_id) + 1
    for length in np.unique(lengths):
        rows = input_ids[lengths == length, :length].astype(np.int64)
        for start in range(0, len(rows), CAPTIONS):
            yield rows[start : start + CAPTIONS]
