"""The model card of a release: what card.md, a template, says of one model's files."""

import json
import tomllib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml
from huggingface_hub import ModelCard, ModelCardData

from clip_onnx.names import TOWERS
from stages.download import addresses
from stages.report.columns import FIGURES
from tools.checkpoint_origin import Origin
from tools.review.changes import flat

<<<<<<< HEAD
LIBRARY = "transformers.js"
TASKS = {  # by the towers
    TOWERS: "zero-shot-image-classification",
    ("visual",): "image-feature-extraction",
    ("textual",): "feature-extraction",
}
TAGS = ["clip", "onnx", "onnxruntime", "quantized"]
COLUMNS = FIGURES | {"inputs": ("inputs", "{:.0f}".format)}
MEASURED = """\
Each file was run in ONNX Runtime on the CPU and compared with OpenAI's own PyTorch code, in
float64, on the same weights. Cosine is between the two embeddings; the worst is over all inputs,
batches of 1 and of 16, padded and unpadded text. CLIP's embeddings have much in common, which
raises every cosine; the SNR leaves that out: 10·log10 of the reference's variance over the error's.
Same top-1 is how often a picture and a text choose the same partner as the reference's; accuracy is
zero-shot over 128 classes of drawings. Files of products are compared in what they give out.
`golden.json` holds inputs with the reference's embeddings, to check any runtime."""
TEXTS = """\
```js
import {{ AutoTokenizer, CLIPTextModelWithProjection }} from "@huggingface/transformers";
const tokenizer = await AutoTokenizer.from_pretrained("{target}");
const model = await CLIPTextModelWithProjection.from_pretrained("{target}", {{ dtype: "{dtype}" }});
const {{ text_embeds }} = await model(tokenizer("a large red circle"));
```"""
PICTURES = """\
```js
import * as transformers from "@huggingface/transformers";
const {{ AutoProcessor, CLIPVisionModelWithProjection, RawImage }} = transformers;
const options = {{ dtype: "{dtype}" }};
const processor = await AutoProcessor.from_pretrained("{target}");
const model = await CLIPVisionModelWithProjection.from_pretrained("{target}", options);
const {{ image_embeds }} = await model(await processor(await RawImage.read("picture.png")));
```"""
INPUTS = {
    "visual": """\
`onnx/vision_model*.onnx` are `pixel_values` float32 [batch, 3, R, R] →
`image_embeds`""",
    "textual": "`onnx/text_model*.onnx` `input_ids` int64 [batch, sequence ≤ 77] → `text_embeds`",
}
FILES = """\
Inputs and outputs of {files};
embeddings are not normalised. Files ending in `w`, and `_quantized` and `_mixed`, hold weights in
fewer bits and compute in fp32. `sha256sum -c SHA256SUMS` checks the download."""
=======
TEMPLATE = Path(__file__).with_suffix(".md")
TASK, LIBRARY = "zero-shot-image-classification", "transformers.js"
TAGS = ["clip", "onnx", "onnxruntime", "quantized"]
COLUMNS = FIGURES | {"inputs": ("inputs", "{:.0f}".format)}
>>>>>>> leftovers
DTYPES = {"int8w": "q8", "fp32": "fp32", "fp16": "fp16", "int8-dynamic": "int8"}


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


<<<<<<< HEAD
def front_matter(release):
    data = ModelCardData(
        license=release.origin.license,
        library_name=LIBRARY,
        pipeline_tag=TASKS[release.towers],
        tags=TAGS,
    )
    return f"---\n{data.to_yaml()}\n---"


=======
>>>>>>> leftovers
def dtype(release):
    """transformers.js's name of an encoding that all towers are here in."""
    keys = {file["key"] for file in release.files.values()}
    towers = [f"{release.model}.{tower}" for tower in release.towers]
    shared = (n for v, n in DTYPES.items() if all(f"{tower}.{v}" in keys for tower in towers))
    return next(shared, "fp32")


def front_matter(release):
    """What Hugging Face's hub files and finds the model by."""
    return ModelCardData(
        license=release.origin.license, library_name=LIBRARY, pipeline_tag=TASK, tags=TAGS
    )


def maker():
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return f"{project['name']} {project['version']}"


def packages():
    pins = json.loads(Path("data/pins.json").read_text("utf-8"))
    return ", ".join(f"{name} {version}" for name, version in sorted(flat(pins).items()))


def content(release):
    """What the template asks for."""
    return {
        "model": release.model,
        "target": release.target,
        "origin": release.origin,
        "dtype": dtype(release),
        "figures": figures(release),
        "source": source(release.settings.models[release.model]),
        "sha256": release.sha256,
        "maker": maker(),
        "commit": release.commit,
        "packages": packages(),
        "parameters": parameters(release),
    }


def text(release):
    """The whole README.md."""
<<<<<<< HEAD
    pins = json.loads(Path("data/pins.json").read_text("utf-8"))
    example = TEXTS if "textual" in release.towers else PICTURES
    files = FILES.format(files=", of ".join(INPUTS[tower] for tower in release.towers))
    use = example.format(target=release.target, dtype=dtype(release)) + "\n\n" + files
    parts = [
        front_matter(release),
        f"# {release.model}: CLIP as ONNX files, {release.origin.label}",
        release.origin.text,
        "## Use\n\n" + use,
        f"## {release.origin.figures} of these files\n\n" + figures(release),
        "## How they were measured\n\n" + MEASURED,
        "## Provenance\n\n" + provenance(release, pins),
        "What `params.yaml` said:\n\n```yaml\n" + parameters(release) + "\n```",
        "## Licence\n\n" + release.origin.notice + " CLIP's is in `LICENSE`.",
    ]
    return "\n\n".join(parts) + "\n"
=======
    data = front_matter(release)
    return f"{ModelCard.from_template(data, TEMPLATE, **content(release))}\n"
>>>>>>> leftovers
