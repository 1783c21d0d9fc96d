"""How each kind of graph is measured, one a file.

A file's name is the kind that a graph's metadata says. Each has measure(file, truth, given) ->
results.Found: an evaluate.file.File, the Truth, and what else its command line gave.
"""

import importlib
import pkgutil

NAMED = {
    found.name: importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
}
