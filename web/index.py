"""What the site knows of the bundles: models/index.json.

    {"models": [{"name", "side", "resize", "mean", "std", "dimensions", "logit_scale", "cleaned",
        "tokenizer": [FILE, FILE], "files": [FILE with "graph", "variant", and web/figures.py's]}]}

A FILE is {"path", "bytes", "sha256"}, its path relative to index.json. A classifier has its
`labels`, a file with external weights their FILE as `data`. `tokenizer` is tokenizer.json and
tokenizer_config.json; texts in CLIP's tokens are `cleaned` before, as OpenAI's code does it.
"""

from clip_onnx.names import METRICS, PROJECTION
from web import bundles

TOWERS, PICTURES = ("visual", "textual"), ("image", "preprocess")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def build(folder, figures, encodings, first=()):
    """index.json's content of the bundles in `folder`: as in `first`, others after, by name.

    A bundle of one tower is left out.

    figures: those of metrics/ (web/figures.py); a released bundle brings its own. encodings: names
    of the variants that a browser runs with any batch; profiles are for others. Raises Refusal
    where a bundle's file is missing, broken, or not in its folder.
    """
    places = {name: place for place, name in enumerate(first)}
    found = sorted(bundles.found(folder), key=lambda bundle: places.get(bundle.name, len(places)))
    found = [bundle for bundle in found if bundles.whole(bundle)]
    return {"models": [_model(bundle, figures, encodings) for bundle in found]}


def _model(bundle, figures, encodings):
    golden = bundles.read(bundle, "golden.json", bundles.Golden)
    if (bundle / METRICS).exists():
        measured = bundles.read(bundle, METRICS, bundles.Metrics).model_dump(exclude_none=True)
        figures = figures.instead(**measured)
    pictures = bundles.read(bundle, "preprocessor_config.json", bundles.Preprocessor)
    bundles.read(bundle, "tokenizer_config.json", bundles.Tokenizer)  # the pages go by it
    found = [_file(bundle, name, golden.files[name], figures, encodings) for name in golden.files]
    return {
        "name": bundle.name,
        "side": pictures.crop_size.height,
        "resize": pictures.resize,
        "mean": pictures.image_mean,
        "std": pictures.image_std,
        "dimensions": bundles.read(bundle, "config.json", bundles.Config).projection_dim,
        "logit_scale": golden.logit_scale,
        "cleaned": golden.end_id is None,
        "tokenizer": [bundles.described(bundle, name) for name in TOKENIZER],
        "files": [file for file in found if file],
    }


def _file(bundle, name, listed, figures, encodings):
    """The entry of one file, or None if the site has no use for it."""
    model, graph, variant = listed.key.split(".")
    kind = "classifier" if listed.graph == "classifier" else graph
    if variant not in encodings or kind not in (*TOWERS, *PICTURES, "classifier"):
        return None
    labels = bundles.labels(bundle, name) if kind == "classifier" else None
    if kind == "classifier" and labels is None:
        return None
    path = bundle / name
    if path.with_name(f"{path.stem}.{PROJECTION}").exists():
        return None  # the host has to project, which the pages do not
    # Figures are of the model that has the folder's name: a key says nothing of where it is from.
    measured_as = model if model == bundle.name else None
    entry = bundles.described(bundle, name) | {"graph": kind, "variant": variant}
    entry |= figures.of(measured_as, graph, variant)
    if path.with_name(f"{path.name}_data").exists():
        entry["data"] = bundles.described(bundle, f"{name}_data")
    if labels is not None:
        entry |= {"name": graph, "labels": labels}
    return entry
