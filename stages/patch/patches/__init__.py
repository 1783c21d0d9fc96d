"""Operator patches, one a file: a pattern, a check that says why it refuses, a rewrite.

A profile (params.yaml) names the patches it wants, in order. Each file here has `rules`.
"""

import importlib
import pkgutil

NAMED = {
    found.name: importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
}


def summaries():
    """{name: what it does, in one line} of every patch."""
    return {name: module.__doc__.split("\n")[0] for name, module in NAMED.items()}
