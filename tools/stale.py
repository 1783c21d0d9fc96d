"""Say which stages dvc.lock has not seen as they are now. Needs no data.

    python -m tools.stale

A stage is stale if its command, its params, its code or an input in git differs from dvc.lock. It
is also stale if dvc.lock contradicts itself: the stage read other data than the stage before it
made, as can happen when two branches' locks are merged. Data in the working tree is not looked at.
A stale stage of the pipeline means exit status 1. A stale stage of runtimes/dvc.yaml is only a
note, because not every machine has the foreign runtimes.

Several stages write into data/models/MODEL. Of such a folder dvc.lock holds only the size.
"""

from pathlib import Path

from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree

from clip_onnx import command

PIPELINE = "dvc.yaml"


def holds(folder, path):
    return path.startswith(f"{folder}/")


def overlap(one, other):
    """Whether one of two paths is the other or holds it."""
    return one == other or holds(one, other) or holds(other, one)


def of_pipeline(stage):
    """Whether a stage is of dvc.yaml, not of the foreign runtimes'."""
    return stage.path_in_repo == PIPELINE


def flat(status, place=""):
    """`path: what` lines of DVC's nested status."""
    for key, found in status.items():
        where = f"{place}{key}"
        yield from flat(found, f"{where}: ") if isinstance(found, dict) else [f"{where}: {found}"]


def folder(dep, outs):
    """What is known of a folder that outputs fill: its hash if they are files, or else its size."""
    if any(out.hash_info.isdir for out in outs):
        size, count = sum(out.meta.size for out in outs), sum(out.meta.nfiles or 1 for out in outs)
        return (dep.meta.size, dep.meta.nfiles) == (size, count)
    tree = Tree()
    for out in outs:
        tree.add(Path(out.fs_path).relative_to(dep.fs_path).parts, Meta(), out.hash_info)
    tree.digest()
    return tree.hash_info == dep.hash_info


def agrees(dep, outs):
    """Whether a stage was given what the outputs around and below its dependency are."""
    if not (dep.hash_info and all(out.hash_info for out in outs)):
        return False
    if any(out.fs_path == dep.fs_path for out in outs):
        return outs[0].hash_info == dep.hash_info
    within = [out for out in outs if holds(dep.fs_path, out.fs_path)]
    return not within or folder(dep, within)  # of a file in an output the lock knows nothing


def reasons(stage, outs):
    """Why a stage is stale; `outs` are all stages' cached outputs."""
    if stage.changed_stage():
        yield "its command"
    for dep in stage.deps:
        made = [out for out in outs if overlap(out.fs_path, dep.fs_path)]
        if not made or isinstance(dep, ParamsDependency):
            yield from flat(dep.status())
        elif not agrees(dep, made):
            yield f"{dep}: not what the stage before it made"
    for out in stage.outs:
        if not out.use_cache:
            yield from flat(out.status())
        elif not out.hash_info:
            yield f"{out}: never made"


def stale(repo):
    """{stage: reasons} of every stale stage."""
    outs = [out for stage in repo.index.stages for out in stage.outs if out.use_cache]
    try:
        with repo.lock:
            found = {stage: list(reasons(stage, outs)) for stage in repo.index.stages}
    except DvcException as error:  # another DVC is at work here
        raise command.Refusal(command.first_line(error)) from None
    return {stage: why for stage, why in found.items() if why}


def opened():
    """The project's Repo, its dvc.yaml read and expanded."""
    try:
        repo = Repo(".")
        repo.index.check_graph()
    except DvcException as error:
        raise command.Refusal(command.first_line(error)) from None
    return repo


def main():
    found = stale(opened())
    for stage, why in found.items():
        print(f"{stage.addressing}: {'; '.join(why)}")
    foreign = [stage.addressing for stage in found if not of_pipeline(stage)]
    if foreign:
        print(f"note: foreign runtimes have not run {len(foreign)} stages again: make runtimes")
    if len(found) > len(foreign):
        raise command.Refusal(
            f"dvc.lock is behind by {len(found) - len(foreign)} stages:"
            " run make, and commit dvc.lock and metrics/"
        )


if __name__ == "__main__":
    command.run(main)
