"""What the site knows of the bundles: models/index.json.

    {"models": [{"name", "side", "dimensions", "logit_scale", "tokenizer", "files": [{
        "path", "graph", "variant", "bytes", "sha256", "parity"}]}]}

Paths are relative to index.json. `parity` is what metrics/parity.json says of the file, or null. A
classifier has its `labels`, a file with external weights their `data`: {"path", "bytes"}.
"""

import functools
import hashlib
import json
import operator

import onnx

from clip_onnx import command
from clip_onnx.names import PROJECTION

TOWERS, PICTURES = ("visual", "textual"), ("image", "preprocess")
MEASURED = ("cosine_min", "cosine_mean", "snr_db", "inputs")
LOGIT_SCALE = 100.0  # that of OpenAI's models, for bundles without `combined`


def build(bundles, parity, encodings, first=()):
    """index.json's content of the folders in `bundles`: as in `first`, others after, by name.

    encodings: names of the variants that a browser runs with any batch; profiles are for others.
    Raises Refusal where a bundle's file is missing or broken.
    """
    places = {name: place for place, name in enumerate(first)}
    found = sorted(
        (path.parent for path in bundles.glob("*/golden.json")),
        key=lambda folder: (places.get(folder.name, len(places)), folder.name),
    )
    return {"models": [_model(folder, parity, encodings) for folder in found]}


def _model(folder, parity, encodings):
    listed = read_json(folder / "golden.json", "files")
    found = [_file(folder, path, listed[path], parity, encodings) for path in listed]
    return {
        "name": folder.name,
        "side": read_json(folder / "preprocessor_config.json", "crop_size", "height"),
        "dimensions": read_json(folder / "config.json", "projection_dim"),
        "logit_scale": _logit_scale(folder, listed),
        "tokenizer": f"{folder.name}/tokenizer.json",
        "files": [file for file in found if file],
    }


def _file(folder, path, listed, parity, encodings):
    """The entry of one file, or None if the site has no use for it."""
    model, name, variant = listed["key"].split(".")
    kind = "classifier" if listed["graph"] == "classifier" else name
    labels = _labels(present(folder / path)) if kind == "classifier" else None
    if variant not in encodings or kind not in (*TOWERS, *PICTURES) and labels is None:
        return None
    if (folder / path).with_name(f"{(folder / path).stem}.{PROJECTION}").exists():
        return None  # the host has to project, which the pages do not
    measured = parity.get(model, {}).get(name, {}).get(variant)
    entry = {
        "path": f"{folder.name}/{path}",
        "graph": kind,
        "variant": variant,
        "bytes": present(folder / path).stat().st_size,
        "sha256": _sha256(folder / path),
        "parity": measured and {key: measured[key] for key in MEASURED if key in measured},
    }
    data = folder / f"{path}_data"
    if data.exists():
        entry["data"] = {"path": f"{folder.name}/{path}_data", "bytes": data.stat().st_size}
    if labels is not None:
        entry |= {"name": name, "labels": labels}
    return entry


def _labels(path):
    """The labels of a classifier of `pixel_values`, or None: other inputs are for other hosts."""
    model = onnx.load(path, load_external_data=False)
    if model.graph.input[0].name != "pixel_values":
        return None
    return json.loads(_metadata(model)["labels"])


def _logit_scale(folder, listed):
    for path, file in listed.items():
        if file["graph"] == "combined":
            model = onnx.load(present(folder / path), load_external_data=False)
            return float(_metadata(model)["logit_scale"])
    return LOGIT_SCALE


def _metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def present(path):
    """The path of a bundle's file. Raises Refusal if it is not there."""
    if not path.is_file():
        raise command.Refusal(f"{path} is missing: build the bundle with `make`")
    return path


def read_json(path, *keys, remedy="make"):
    """A JSON file's value below `keys`. Raises Refusal with the command that writes the file."""
    try:
        return functools.reduce(operator.getitem, keys, json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        reason = f"cannot be read ({command.first_line(error)})"
    except (KeyError, TypeError):
        reason = f"has no {'.'.join(keys)}"
    raise command.Refusal(f"{path} {reason}: build it with `{remedy}`")
