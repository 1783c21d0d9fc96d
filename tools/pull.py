"""Pull what a `dvc repro` here will read, and nothing else.

    python -m tools.pull

Stages that are stale run, and those after them may. What these depend on is pulled from the default
remote as dvc.lock has it, so that folders which stages read as a whole (data/eval,
data/models/MODEL) are complete; `dvc repro --pull --allow-missing` then leaves the rest away. By
itself it would give the last stages such folders with the new files alone.
"""

import networkx
from dvc.exceptions import DvcException

from stages import command
from tools import stale


def to_run(repo):
    """The pipeline's stages that are stale or come after one that is."""
    first = {stage for stage in stale.stale(repo) if stale.of_pipeline(stage)}
    after = (networkx.ancestors(repo.index.graph, stage) for stage in first)
    return {stage for stage in first.union(*after) if stale.of_pipeline(stage)}


def read_by(stages, repo):
    """The cached outputs, as paths, of which a stage depends on something."""
    given = {dep.fs_path for stage in stages for dep in stage.deps}
    return [
        out.def_path
        for stage in repo.index.stages
        for out in stage.outs
        if out.use_cache and out.hash_info
        if any(stale.overlap(out.fs_path, path) for path in given)
    ]


def main():
    repo = stale.opened()
    stages = to_run(repo)
    paths = read_by(stages, repo)
    print(f"{len(stages)} stages may run; they read {len(paths)} outputs of others")
    if not paths:
        return
    try:
        repo.pull(paths)
    except DvcException as error:
        raise command.Refusal(
            f"{command.first_line(error)}: dvc push --run-cache where dvc.lock was made,"
            " or make, which builds everything"
        ) from None


if __name__ == "__main__":
    command.run(main)
