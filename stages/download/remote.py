"""A checkpoint at an address: its weights, and the files beside them that params.yaml names.

They rest in a folder of their own until they are converted, so that an interruption costs nothing.
What has no pin yet is fetched, too, but not opened: the message says its SHA-256, and the next run
finds it where it lies.
"""

import hashlib
import urllib.parse

from clip_onnx import command
from stages.download import addresses, sources, transfer

WEIGHTS = "weights"  # what they are, their content says


def fetch(name, model, downloads):
    """The path of the weights of `models.<name>`, fetched with all that lies beside them.

    Raises Refusal for what cannot be fetched, is not what params.yaml pins, or has no pin.
    """
    digest = hashlib.sha256(model.source.encode()).hexdigest()
    folder = downloads / f"{name}-{digest[:16]}"
    pins = {**model.beside, WEIGHTS: model.sha256}  # the small ones first: they may be wrong, too
    _remove_others(folder, pins)
    for file, pin in pins.items():
        path = folder / file
        if not path.exists() or (pin and sources.digest_of(path) != pin):
            transfer.fetch(addresses.mirrored(_address(model.source, file)), pin, path)
    if None in pins.values():
        found = {file: sources.digest_of(folder / file) for file in pins}
        raise command.Refusal(
            f"{addresses.shown(model.source)} is not pinned: once you trust what was fetched, put"
            f" into models.{name} of params.yaml {_entry(found)}"
        )
    return folder / WEIGHTS


def _remove_others(folder, wanted):
    """Delete what `beside` named before: it would be read."""
    for path in folder.glob("*"):
        if path.name.removesuffix(transfer.PART) not in wanted:
            path.unlink()


def _address(source, file):
    """Where a file lies: the weights at the source itself, others beside it."""
    if file == WEIGHTS:
        return source
    parts = urllib.parse.urlsplit(source)
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{file}").geturl()


def _entry(digests):
    """The pins as params.yaml has them, in one line."""
    beside = ", ".join(f'{file}: "{d}"' for file, d in digests.items() if file != WEIGHTS)
    return f'sha256: "{digests[WEIGHTS]}"' + (f" and beside: {{{beside}}}" if beside else "")
