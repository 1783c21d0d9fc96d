"""Graphs composed of finished towers, one a file, by the kind that params.yaml says.

Each has make(product, given) -> onnx_ir.Model: the product's entry of params.yaml, and the paths
that the stage's command line gave (visual, textual, labels_by, checkpoint).
"""

import importlib
import pkgutil

NAMED = {
    found.name: importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
}
