"""The model card of a release: what card.md, a template, says of one model's files."""

import json
import tomllib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml
from huggingface_hub import ModelCard, ModelCardData

from clip_onnx.checkpoint.network import HUGGING_FACE, OPEN_CLIP, OPENAI
from clip_onnx.host import layout, tokens
from clip_onnx.names import TOWERS
from stages.download import addresses
from stages.report.columns import FIGURES
from tools.checkpoint_origin import Origin
from tools.review.changes import flat

TEMPLATE = Path(__file__).with_suffix(".md")
LIBRARY = "transformers.js"
TASKS = {  # by the towers
    TOWERS: "zero-shot-image-classification",
    ("visual",): "image-feature-extraction",
    ("textual",): "feature-extraction",
}
TAGS = ["clip", "onnx", "onnxruntime", "quantized"]
USES = {  # the first of these encodings that a tower is here in
    "a browser, for the download": ("int8w", "fp16w", "fp32"),
    "a phone, for the memory": ("int4r", "int4w", "int8w", "fp32"),
    "a server's CPU, for the time": ("int8-dynamic", "fp32"),
    "an NVIDIA GPU": ("fp16-gpu", "fp16", "fp32"),
    "the same numbers as PyTorch": ("fp32",),
}
CODE = {OPENAI: "OpenAI's own", OPEN_CLIP: "open_clip's", HUGGING_FACE: "transformers'"}
COLUMNS = FIGURES | {"inputs": ("inputs", "{:.0f}".format)}


class Release(NamedTuple):
    """What a card tells of: one model, and the files of its bundle."""

    model: str
    target: str  # owner/name
    files: dict  # of golden.json: {path: {key, …}}
    bundle: Path
    parity: dict
    settings: object  # stages.params.Params
    sha256: str  # the checkpoint's
    origin: Origin
    commit: str
    family: str = OPENAI  # whose code defines the checkpoint
    towers: tuple[str, ...] = TOWERS  # that the checkpoint has


def figures(release):
    """One row a file, in markdown."""
    rows = []
    for path, file in release.files.items():
        model, graph, variant = file["key"].split(".")
        metrics = release.parity[model][graph][variant]
        metrics = metrics | {"size_mb": size(release.bundle / path) / 1e6}
        row = {"file": f"`{path}`", "variant": variant}
        for name, (title, formatter) in COLUMNS.items():
            row[title] = formatter(metrics[name]) if metrics.get(name) is not None else ""
        row["promised"] = f"≥ {file['cosine_min']}"  # as it is: rounded up it would promise more
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def size(path):
    """Bytes of an ONNX file and of the external data beside it."""
    beside = path.with_name(f"{path.name}_data")
    return path.stat().st_size + (beside.stat().st_size if beside.exists() else 0)


def parameters(release):
    """The entries of params.yaml that made these files, as YAML.

    What a profile may be left with (`operators`) made nothing.
    """
    variants = {file["key"].split(".")[2] for file in release.files.values()}
    graphs = {file["key"].split(".")[1] for file in release.files.values()}
    chosen = {
        section: {
            slug: entry.model_dump(exclude_unset=True, exclude={"operators"})
            for slug, entry in getattr(release.settings, section).items()
            if slug in slugs
        }
        for section, slugs in (
            ("encodings", variants),
            ("profiles", variants | {"std"}),
            ("products", graphs),
        )
    }
    return yaml.safe_dump(chosen, sort_keys=False, width=96, default_flow_style=None).strip()


def source(model):
    """Where a checkpoint came from; of a path elsewhere on the machine, its last part."""
    if model.remote:
        return addresses.shown(model.source)
    path = addresses.local_path(model.source)
    return path.name if path.is_absolute() else str(path)


def in_both(release):
    """An encoding that all towers are here in, of those that transformers.js has a name of if one
    is; None where towers share none."""
    places = paths(release)
    variants = [*layout.DTYPES, *(variant for _, variant in places)]
    shared = (v for v in variants if all((tower, v) in places for tower in release.towers))
    return next(shared, None)


def paths(release):
    """{(graph, variant): the path of its file}."""
    return {tuple(file["key"].split(".")[1:]): path for path, file in release.files.items()}


def pairs(release):
    """Which files to take for what, in markdown; "" without both towers."""
    places, rows = paths(release), []
    for use, variants in USES.items():
        chosen = [
            next(((tower, v) for v in variants if (tower, v) in places), None)
            for tower in release.towers
        ]
        if None in chosen or len(chosen) < len(TOWERS):
            continue
        files = [places[one] for one in chosen]
        cosines = [release.parity[release.model][t][v]["cosine_min"] for t, v in chosen]
        if None in cosines:  # no number: nothing to use it for
            continue
        megabytes = sum(size(release.bundle / file) for file in files) / 1e6
        names = [f"`{Path(file).name}`" for file in files]
        named = dict(zip(("for", "pictures", "texts"), (use, *names), strict=True))
        rows.append(named | {"MB": f"{megabytes:.2f}", "worst cosine": f"{min(cosines):.7f}"})
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) if rows else ""


def front_matter(release):
    """What Hugging Face's hub files and finds the model by."""
    return ModelCardData(
        license=release.origin.license,
        library_name=LIBRARY,
        pipeline_tag=TASKS[release.towers],
        tags=TAGS,
    )


def maker():
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return f"{project['name']} {project['version']}"


def packages():
    pins = json.loads(Path("data/pins.json").read_text("utf-8"))
    return ", ".join(f"{name} {version}" for name, version in sorted(flat(pins).items()))


def context(bundle):
    """How many tokens its textual tower reads."""
    return layout.context(json.loads((bundle / tokens.CONFIG_FILE).read_text("utf-8")))


def content(release):
    """What the template asks for."""
    encoding, places = in_both(release), paths(release)
    return {
        "model": release.model,
        "target": release.target,
        "origin": release.origin,
        "dtype": layout.DTYPES.get(encoding),
        "files": {tower: places[tower, encoding] for tower in release.towers if encoding},
        "pairs": pairs(release),
        "towers": release.towers,
        "context": context(release.bundle) if "textual" in release.towers else None,
        "figures": figures(release),
        "source": source(release.settings.models[release.model]),
        "sha256": release.sha256,
        "code": CODE[release.family],
        "maker": maker(),
        "commit": release.commit,
        "packages": packages(),
        "parameters": parameters(release),
    }


def text(release):
    """The whole README.md."""
    data = front_matter(release)
    return f"{ModelCard.from_template(data, TEMPLATE, **content(release))}\n"
