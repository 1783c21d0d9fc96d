"""Build one model's graphs in one variant, whatever `grid:` says.

    python -m tools.build_one MODEL VARIANT [PRODUCT …]

VARIANT is an encoding, in which the products are composed too, or a profile.

The whole pipeline runs in build/MODEL.VARIANT with a grid of one, on a copy of the code and on the
project's own DVC cache: what was built before, here or there, is not built again.
"""

import argparse
import configparser
import json
import shutil
from pathlib import Path

import yaml
from dvc.repo import Repo

from clip_onnx import absent, command
from clip_onnx.names import PREPROCESS, STD
from clip_onnx.settings import params, sections
from clip_onnx.settings.grid import SCHEMES, best_group
from stages.download import addresses
from tools import build, pictures

WANTED = ("bundle", "report")  # stages
CODE = ("clip_onnx", "stages")
COPIED = (".dvcignore", "dvc.yaml", "pyproject.toml", "requirements.in", "requirements.lock")


def grid_of_one(settings, model, variant, products=()):
    """params.yaml's content for one model in one variant."""
    content = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    encoding = settings.encodings.get(variant)
    best = best_group(encoding) if encoding else None
    made = {group: [variant] if group == best else [] for group in SCHEMES}
    encodings, profiles = ([variant], []) if encoding else ([], [variant])
    content["grid"] = {
        "models": [model],
        "resnets": made["resnets"] and [model],
        "encodings": made,
        "profiles": profiles,
        "products": list(products),
        "composed": encodings if products else [],
    }
    content["bundle"] = {}
    return content


def reach(folder, path):
    """How `folder` names a path of the project's: by a link inside it, or else in full.

    The same name as in the project lets DVC's run cache recognise what was built there.
    """
    absolute, root = Path(path).resolve(), Path.cwd()
    if not absolute.is_relative_to(root):
        return str(absolute)
    inside = folder / absolute.relative_to(root)
    if not (inside.exists() or inside.is_symlink()):
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.symlink_to(absolute)
    return path


def workspace(folder, content, model):
    """A DVC project of its own beside ours, on a copy of our code, sharing our cache."""
    (folder / ".dvc").mkdir(parents=True, exist_ok=True)
    for name in CODE:
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED:
        shutil.copyfile(name, folder / name)
    evalset, entry = content["evalset"], content["models"][model]
    evalset |= {key: reach(folder, evalset[key]) for key in ("images", "captions")}
    if not sections.Model(**entry).remote:
        entry["source"] = reach(folder, str(addresses.local_path(entry["source"])))
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    config = configparser.ConfigParser()
    config.read(".dvc/config")
    config["core"]["no_scm"] = "true"
    config.setdefault("cache", {})
    config["cache"]["dir"] = Repo(".").cache.local.path
    with open(folder / ".dvc/config", "w", encoding="utf-8") as file:
        config.write(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("variant")
    parser.add_argument("products", nargs="*")
    arguments = parser.parse_args()
    model, variant = arguments.model, arguments.variant
    settings = params.load()
    params.lookup(settings.models, model, "models")
    profiles = settings.profiles.keys() - {STD}
    known = dict.fromkeys([*settings.encodings, *sorted(profiles)])
    params.lookup(known, variant, "encodings or profiles")
    products = [name for name in arguments.products if name != PREPROCESS]
    for product in products:
        params.lookup(settings.products, product, "products")
    if products and (variant in profiles or settings.encodings[variant].scheme == "static"):
        raise command.Refusal(f"{variant} is no encoding of both towers: products need one that is")
    pictures.check(settings.evalset.images)
    folder = Path("build") / f"{model}.{variant}"
    workspace(folder, grid_of_one(settings, model, variant, products), model)
    build.begin()
    build.elsewhere(model, folder, *WANTED)  # nothing that these do not need
    parity = json.loads((folder / "metrics/parity.json").read_text("utf-8"))[model]
    if lacking := [product for product in products if product not in parity]:
        reason = absent.why(folder / "data/models" / model / lacking[0] / variant)
        raise command.Refusal(
            f"{model} has no {', '.join(lacking)}, for {reason}: leave it out, or name a model of"
            " both towers"
        )
    print(f"{folder / 'data/bundles' / model}")
    for graph, variants in parity.items():
        if variant not in variants:
            continue
        metrics = ", ".join(f"{name} {value}" for name, value in variants[variant].items())
        print(f"{model}.{graph}.{variant}: {metrics}")


if __name__ == "__main__":
    command.run(main)
