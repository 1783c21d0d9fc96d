"""How far graphs that take whole pictures are from the reference, on the evaluation set's.

Its photographs and their crops have sizes of their own, and the reference holds what OpenAI's code
makes of each.
"""

import numpy as np

from stages import inputs, runtime
from stages.preprocessing import STD


def pictures(evalset, rows):
    """uint8 [height, width, 3] of the numbered rows of the index, one at a time."""
    index = inputs.index(evalset)
    return (inputs.picture(evalset, index[row]["name"]) for row in rows)


def embeds(image, evalset, rows):
    """float32 [rows, E]: what a session of an `image` graph makes of the pictures."""
    return runtime.run(image, pictures(evalset, rows))


def pixels(preprocess, evalset, reference, rows):
    """The metrics of a session of a `preprocess` graph; `reference` is the model's directory.

    `inputs` pictures are compared; `pixels_off` is the share of values that differ from the
    reference's in the worst of them, `pixels_max` the largest difference in grey levels.
    """
    worst, largest = 0.0, 0
    for row, picture in zip(rows, pictures(evalset, rows), strict=True):
        expected = inputs.pixels(reference, [row])
        levels = grey_levels(expected, runtime.run(preprocess, [picture]))
        worst, largest = max(worst, float((levels > 0).mean())), max(largest, int(levels.max()))
    return {"inputs": len(rows), "pixels_off": worst, "pixels_max": largest}


def grey_levels(reference, pixels):
    """The difference of two `pixel_values` [n, 3, side, side], in whole grey levels of 0 to 255."""
    difference = np.abs(np.asarray(pixels, np.float64) - reference)
    return np.rint(difference * 255 * np.reshape(STD, (3, 1, 1))).astype(int)
