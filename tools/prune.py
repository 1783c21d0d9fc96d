"""Remove what no stage makes any more: from data/, and from the locks.

    python -m tools.prune

DVC leaves a stage's outputs behind when `grid:` no longer asks for them; directories that later
stages read would then differ from a fresh clone's. It leaves its entry in the lock behind, too,
which is read by every command. What stages made stays in DVC's cache.
"""

import shutil
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import load_yaml, modify_yaml

from clip_onnx import command

LOCKS = {"dvc.yaml": "dvc.lock", "runtimes/dvc.yaml": "runtimes/dvc.lock"}
GENERATED = (
    "checkpoints",
    "reference",
    "calibration",
    "export",
    "patch",
    "models",
    "sensitivity",
    "eval",
    "bundles",
    "litert",
    "runtimes",
)


def leftovers(root, outputs):
    """Paths under the generated folders that are neither in nor around an output."""
    kept = set(outputs) | {parent for output in outputs for parent in output.parents}
    stack = [root / name for name in GENERATED]
    while stack:
        path = stack.pop()
        if path in outputs or not path.exists():
            continue
        if path in kept and path.is_dir():
            stack += sorted(path.iterdir())
        else:
            yield path


def forget(lock, names):
    """Remove the entries of a lock whose names are not among those of stages. Returns them."""
    entries = load_yaml(lock).get("stages", {}) if Path(lock).exists() else {}
    dead = sorted(set(entries) - set(names))
    if dead:
        with modify_yaml(lock) as content:
            for name in dead:
                del content["stages"][name]
    return dead


def main():
    try:
        prune()
    except DvcException as error:
        raise command.Refusal(command.first_line(error)) from None


def prune():
    index = Repo(".").index
    for file, lock in LOCKS.items():
        names = [stage.name for stage in index.stages if stage.path_in_repo == file]
        dead = forget(lock, names)
        if dead:
            print(f"{lock}: {len(dead)} entries of stages that are gone are removed")
    outputs = {Path(out.fs_path) for out in index.outs}
    for path in leftovers(Path("data").resolve(), outputs):
        print(f"removing {path.relative_to(Path.cwd())}: not in the grid")
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    command.run(main)
