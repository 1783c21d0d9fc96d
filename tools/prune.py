"""Remove from data/ what no stage makes any more.

    python -m tools.prune

DVC leaves a stage's outputs behind when `grid:` no longer asks for them; directories that later
stages read would then differ from a fresh clone's. What stages made stays in DVC's cache.
"""

import shutil
from pathlib import Path

from dvc.repo import Repo

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


def main():
    outputs = {Path(out.fs_path) for out in Repo(".").index.outs}
    for path in leftovers(Path("data").resolve(), outputs):
        print(f"removing {path.relative_to(Path.cwd())}: not in the grid")
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
