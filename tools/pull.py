"""Pull what a `dvc repro` here will read, and nothing else.

    python -m tools.pull [dvc.yaml]

Stale stages run, and the stages after them may. Their inputs are pulled from the default remote, as
dvc.lock has them; what stale stages make anew is not pulled. `dvc repro --pull --allow-missing` can
then leave the rest in the remote. Without this step it would hand incomplete folders to the stages
that read a whole one (data/eval, data/models/MODEL): only the new files would be in them.

`pins` runs first. It reads all of params.yaml, so any change there makes it stale, and every stage
with it; but mostly it writes what it wrote before.
"""

import argparse
import subprocess
import sys

import networkx
from dvc.exceptions import DvcException

from clip_onnx import command
from tools import stale


def to_run(repo, file):
    """(the stale stages of a file, the same and all stages after them)."""
    first = {stage for stage in stale.stale(repo) if stage.path_in_repo == file}
    after = (networkx.ancestors(repo.index.graph, stage) for stage in first)
    return first, {stage for stage in first.union(*after) if stage.path_in_repo == file}


def read_by(stages, repo, made):
    """The paths of cached outputs that stages depend on, but for those of stages `made` anew."""
    given = {dep.fs_path for stage in stages for dep in stage.deps}
    return [
        out.fs_path
        for stage in repo.index.stages
        if stage not in made
        for out in stage.outs
        if out.use_cache and out.hash_info
        if any(stale.overlap(out.fs_path, path) for path in given)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?", default=stale.PIPELINE)
    file = parser.parse_args().file
    if subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", "pins"]).returncode:
        sys.exit(1)
    repo = stale.opened()
    first, stages = to_run(repo, file)
    paths = read_by(stages, repo, first)
    print(f"{len(stages)} stages may run; they read {len(paths)} outputs of others")
    if not paths:
        return
    try:
        repo.pull(paths)
    except DvcException as error:
        raise command.Refusal(
            f"{command.first_line(error)}: dvc push --run-cache {stale.PIPELINE} where dvc.lock was"
            " made, or make, which builds everything"
        ) from None


if __name__ == "__main__":
    command.run(main)
