"""Two-layer CLIPs in OpenAI's file format, and project folders in which stages run on them."""

import hashlib
import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml

from clip_onnx.checkpoint.architecture import Architecture
from clip_onnx.names import TOWERS

ROOT = Path(__file__).parent.parent
KINDS = {
    "vit": Architecture(48, 64, 2, 128, 16, 77, 49408, 128, 2),
    "rn": Architecture(48, 64, (1, 1, 1, 2), 8, None, 77, 49408, 128, 2),
}
TINY = ("tiny-vit", "tiny-rn")
TEXTS = [
    "a photo of a cat",
    "a red square left of a green circle",
    "x",
    "a diagram. " * 40,  # too long: cut to 77 tokens, the last of which ends it
    "7 small blue triangles, drawn in ink on paper",
]
EVALSET = ("stages/evalset/photographs.csv", "stages/evalset/captions.txt")
CODE = ("clip_onnx", "stages")
PROJECT_FILES = (".dvcignore", "pyproject.toml", "dvc.yaml", "requirements.in", "requirements.lock")
PLAIN = ("fp32", "fp16", "fp16w")
BY_SENSITIVITY = ("int8w", "int4w", "mixed", "int8-dynamic")
RESNETS = ("int8-static",)
ALL = (*PLAIN, *BY_SENSITIVITY)  # that both towers of both models have


def write_checkpoint(kind, path):
    """A random CLIP of 64×64 pictures whose norms are not the untrained 0 and 1."""
    import torch

    from clip_onnx.openai import archive, convert_weights, models

    torch.manual_seed(0)
    model = models.new_model(KINDS[kind]).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            torch.nn.init.uniform_(buffer, 0.5, 2)
        elif name.endswith("running_mean"):
            torch.nn.init.normal_(buffer)
    for name, parameter in model.named_parameters():
        if ".bn" in name or "ln_" in name or "downsample.1" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    convert_weights(model)
    archive.write_archive(model, path)
    return path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def params(archives):
    """params.yaml's content for small checkpoints and few pictures."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    content["models"] = {
        kind: {"source": str(path), "sha256": sha256(path)} for kind, path in archives.items()
    }
    content["grid"]["models"] = list(archives)
    content["evalset"] |= {"crops": 1, "drawn": 128, "drawn_calibration": 16}
    content["grid"]["resnets"] = [kind for kind in archives if kind == "rn"]
    content["grid"]["encodings"] = {
        "plain": [*PLAIN],
        "by_sensitivity": [*BY_SENSITIVITY],
        "resnets": [*RESNETS],
    }
    content["grid"] |= {"profiles": [], "products": [], "composed": []}
    content["bundle"] = {}
    content |= {"floors": {kind: {} for kind in archives}, "default_floors": {}}
    return content


def set_up(folder, content):
    """A project folder: the code, its settings, and params.yaml with `content`."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in PROJECT_FILES:
        shutil.copyfile(ROOT / name, folder / name)
    write_params(folder, content)


def write_params(folder, content):
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def run_stage(name, *arguments):
    """Run a stage's `main` in this process, as its command line would."""
    module = importlib.import_module(f"stages.{name}" if "." in name else f"stages.{name}.__main__")
    old, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        module.main()
    finally:
        sys.argv = old


def build(model):
    """Download to quantize of one model in the current folder."""
    checkpoint = f"data/checkpoints/{model}"
    run_stage("download", model, "data/downloads", checkpoint)
    for stage, output in (("reference", "reference"), ("calibrate", "calibration")):
        run_stage(stage, model, checkpoint, "data/evalset", f"data/{output}/{model}")
    run_stage("export", checkpoint, f"data/export/{model}")
    for tower in TOWERS:
        patch(model, tower, "std")
    for tower in TOWERS:
        for encoding in ALL:
            encode(model, tower, encoding, f"data/models/{model}/{tower}/{encoding}")
    if model == "rn":
        for encoding in RESNETS:
            encode(model, "visual", encoding, f"data/models/{model}/visual/{encoding}")


def encode(model, tower, encoding, output, source=None):
    """The encode stage of one tower in the current folder, of its patched graph or of `source`."""
    source = source or f"data/patch/{model}/{tower}/std"
    given = [encoding, f"data/calibration/{model}"]
    if encoding in BY_SENSITIVITY:
        given += ["--sensitivity", sensitivity(model)]
    run_stage("encode", *given, f"--{tower}", source, output)


def bundle(model):
    """Every product and the bundle of a model that is built in the current folder."""
    content, models = params({}), f"data/models/{model}"
    products, floor = ["combined", "classifier", "image"], {"cosine_min": 0.9999, "snr_db": 40.0}
    content["models"] = {model: {"source": "x"}}
    content["grid"]["models"] = [model]
    content["grid"] |= {"profiles": ["npu"], "products": products, "composed": ["fp32"]}
    content["profiles"]["npu"]["text"] = "tokens"
    content["floors"] = {model: {"visual": {"fp32": floor}, "textual": {"fp32": floor}}}
    write_params(Path(), content)
    for tower in TOWERS:
        exported = f"data/export/{model}/{tower}"
        run_stage("patch", "npu", f"--{tower}", exported, f"{models}/{tower}/npu")
    given = [f"--{tower}={models}/{tower}/fp32" for tower in TOWERS]
    given += [f"--labels-by=data/patch/{model}/textual/std", f"data/checkpoints/{model}"]
    for product in products:
        run_stage("compose", product, *given, f"{models}/{product}/fp32")
    run_stage("compose", "preprocess", given[-1], f"{models}/preprocess/fp32")
    paths = (f"models/{model}", f"reference/{model}", f"checkpoints/{model}", "evalset")
    run_stage("bundle", *(f"data/{path}" for path in (*paths, f"bundles/{model}")))


def tiny_params():
    """params.yaml's content as it ships, for a project folder elsewhere."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for name in TINY:
        content["models"][name]["source"] = str(ROOT / content["models"][name]["source"])
    return content


def export_with_reference(model, pictures, texts):
    """A model in the current folder: exported, patched for std, and a reference of a few inputs."""
    import torch
    from safetensors.numpy import save_file

    from clip_onnx import openai
    from clip_onnx.measure import inputs
    from clip_onnx.openai import models

    checkpoint, folder = f"data/checkpoints/{model}", Path(f"data/reference/{model}")
    run_stage("download", model, "data/downloads", checkpoint)
    run_stage("export", checkpoint, f"data/export/{model}")
    for tower in TOWERS:
        patch(model, tower, "std")
    input_ids = openai.tokenize(texts, truncate=True)
    given = {"visual": torch.from_numpy(pictures), "textual": input_ids}
    embeds = {t: models.embed(checkpoint, t, [batch]).numpy() for t, batch in given.items()}
    folder.mkdir(parents=True)
    np.save(folder / inputs.PIXELS_FILE, pictures)
    tensors = {"image_embeds": embeds["visual"], "text_embeds": embeds["textual"]}
    save_file(tensors | {"input_ids": input_ids.numpy()}, folder / inputs.REFERENCE_FILE)


def patch(model, tower, profile):
    """The file of a profile in the current folder."""
    output = f"data/patch/{model}/{tower}/{profile}"
    run_stage("patch", profile, f"--{tower}", f"data/export/{model}/{tower}", output)
    return Path(output)


def sensitivity(model):
    """The tables of both towers in the current folder, measured if they are not there."""
    tables = Path(f"data/sensitivity/{model}")
    if not tables.exists():
        towers = [f"--{tower}=data/patch/{model}/{tower}/std" for tower in TOWERS]
        run_stage("sensitivity", *towers, f"data/calibration/{model}", tables)
    return tables
