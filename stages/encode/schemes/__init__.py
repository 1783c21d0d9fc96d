"""Schemes of encoding, one a file, by the name that `encodings.NAME.scheme` of params.yaml says.

Each has encode(model, encoding, calibration, sensitivity) -> model: a patched tower, its entry of
params.yaml, what `calibrate` saw of the tower, and `sensitivity`'s table or None where the stage
was given none. The model may be changed in place.
"""

import importlib
import pkgutil

NAMED = {
    found.name: importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
}
