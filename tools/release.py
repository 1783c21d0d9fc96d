"""A folder to publish of one model: its bundle, figures, checksums, a model card, a licence.

Nothing is written before it is sure that the figures are of these files. DVC says it: the stages
`bundle@MODEL` and `report`, and all before them, have to be as dvc.lock has them, outputs included.
So metrics/parity.json is what the evaluation of today's files gave, and the bundle is a copy of the
same files. Git says that what is published can be found again: no tracked file may be changed.
"""

import json
import shutil
import subprocess
from pathlib import Path

from dvc.repo import Repo

from clip_onnx import bundle as bundles
from clip_onnx import command
from clip_onnx.checkpoint.network import OPENAI
from clip_onnx.names import METRICS
from clip_onnx.settings import params
from tools import card, checkpoint_origin, floors, kept, stale, sums

FOLDER = Path("build/release")
SUMS, CARD, LICENSE = "SHA256SUMS", "README.md", "LICENSE"
CLIP_LICENSE = Path(__file__).parent / "clip_license.txt"


def check_current(model):
    """Raise Refusal unless the bundle and the metrics are dvc.lock's."""
    bundle = Path("data/bundles") / model
    if not bundle.is_dir():
        raise command.Refusal(f"{bundle} is missing: run `make`, or `dvc pull {bundle}`")
    with Repo(".") as repo:
        status = repo.status(targets=[f"bundle@{model}", "report"], with_deps=True)
    if status:
        stage, reasons = sorted(status.items())[0]
        reasons = json.dumps(reasons, allow_nan=False)
        raise command.Refusal(
            f"{bundle} or metrics/ are not what dvc.lock says, {stage}: {reasons}:"
            " run `make`, or `dvc pull` what is deleted"
        )


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit():
    """The commit that the tracked files are of. Raises Refusal if they differ from it."""
    changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise command.Refusal(
            f"{changed[0].split()[-1]} is not committed: commit first, for the card names a commit"
        )
    return git("rev-parse", "HEAD")


def check_floors(parity, controls, settings, keys):
    """Raise Refusal naming the first floor that a file breaks, or published answer it misses."""
    answers = {f"{key.split('.')[0]}.known_answers" for key in keys}
    for judged in floors.judged(parity, controls, settings):
        of_these = judged.key in keys or judged.key.rpartition(".")[0] in answers
        if of_these and not judged.holds:
            raise command.Refusal(f"{judged}: `make gate` fails, nothing is published")


def of_files(figures, keys):
    """Those of {model: {graph: {variant: …}}} that belong to files, by MODEL.GRAPH.VARIANT."""
    found = {}
    for model, graph, variant in (key.split(".") for key in sorted(keys)):
        one = figures.get(model, {}).get(graph, {}).get(variant)
        if one is not None:
            found.setdefault(model, {}).setdefault(graph, {})[variant] = one
    return found


def in_runtimes(keys):
    """What metrics/runtimes.json has of files; {} where it is not of the files that are here."""
    path = kept.METRICS / "runtimes.json"
    if not path.exists():
        return {}
    with Repo(".") as repo:
        if not all(map(stale.of_pipeline, stale.stale(repo))):
            print(f"{path} may be of other files and is left out: run `make runtimes`")
            return {}
    found = {name: of_files(models, keys) for name, models in kept.json_of(path).items()}
    return {name: models for name, models in found.items() if models}


def write(model, target, stated=None, license_name=None):
    """The folder build/release/MODEL, written whole. Raises Refusal where it must not be."""
    settings = params.load()
    params.lookup(dict.fromkeys(settings.grid.models), model, "grid.models")
    check_current(model)
    head = commit()
    parity, controls = (kept.json_of(kept.METRICS / f"{n}.json") for n in ("parity", "controls"))
    bundle = Path("data/bundles") / model
    golden = json.loads((bundle / "golden.json").read_text("utf-8"))
    files, towers = golden["files"], bundles.towers(golden)
    keys = {file["key"] for file in files.values()}
    check_floors(parity, controls, settings, keys)
    sha256 = settings.models[model].sha256
    origin = checkpoint_origin.of(settings, model, sha256, stated, license_name)
    family = golden.get("family", OPENAI)
    release = card.Release(
        model, target, files, bundle, parity, settings, sha256, origin, head, family, towers
    )
    measured = {"parity": of_files(parity, keys), "runtimes": in_runtimes(keys)}
    with command.output(FOLDER / model) as folder:
        shutil.copytree(bundle, folder, dirs_exist_ok=True)
        (folder / METRICS).write_text(json.dumps(measured, indent=1, allow_nan=False), "utf-8")
        (folder / CARD).write_text(card.text(release), "utf-8")
        ours = [Path(LICENSE)] if origin is checkpoint_origin.DRAWINGS else []
        texts = [path.read_text("utf-8") for path in (*ours, CLIP_LICENSE)]
        (folder / LICENSE).write_text("\n".join(texts), "utf-8")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        (folder / SUMS).write_text(sums.text(sums.of(files, folder)), "utf-8")
    return FOLDER / model
