"""Parts of the pipeline, or of the foreign runtimes, that run side by side: one a model.

    python -m tools.lanes MODEL [dvc.yaml]

runs a model's stages of such a file as DVC does, but for two things: it does not ask about the
stages before them, and it writes dvc.lock once a minute. DVC reads and writes all of it after each
stage, which takes two of the five seconds of a small model's. Models have nothing in common but the
stages that all of them need, which run before, and those that gather, which run after: by a `dvc
repro` of all.
"""

import argparse
import itertools
import os
import time
from typing import NamedTuple

import networkx
import psutil
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo

from clip_onnx import command
from clip_onnx.settings import params
from tools import jobs, stale

MB = 1e6
WRITTEN_EVERY = 60  # seconds


class Plan(NamedTuple):
    """What to run: `first` alone, then the models beside each other, then the rest."""

    first: list  # of stages
    models: list
    workers: int


def plan(repo, file=stale.PIPELINE):
    """The Plan for what changed in a dvc.yaml.

    Without models where those of one alone changed, or memory is short.
    None if nothing changed. Raises Refusal where another DVC is at work.
    """
    try:
        names = list(changed(repo, file))
    except DvcException as error:
        raise command.Refusal(command.first_line(error)) from None
    if not names:
        return None
    shared, planned, _ = jobs.plan(repo, file)
    wanted = owners(names, jobs.parts(repo, file))
    planned = [job for job in planned if job["model"] in wanted]
    if workers(planned) < 2:
        return Plan([], [], 1)
    if file != stale.PIPELINE:
        shared = []  # all of the pipeline, which is built by now
    return Plan(shared, [job["model"] for job in planned], workers(planned))


def changed(repo, file):
    """Yield the addressing of each stage of a dvc.yaml that DVC would run again."""
    with lock_repo(repo):
        for stage in repo.index.stages:
            if stage.path_in_repo == file and stage.changed():
                yield stage.addressing


def owners(names, parts):
    """The models of `parts`, {model: stages}, that the stages named are of."""
    return {model for model, stages in parts.items() if not set(stages).isdisjoint(names)}


def workers(planned):
    """How many jobs to run at a time: one a CPU, if this machine has the memory of so many."""
    needs = sorted((job["memory_mb"] * MB for job in planned), reverse=True)
    free = psutil.virtual_memory().available
    held = sum(total <= free for total in itertools.accumulate(needs))
    return min(len(needs), os.cpu_count() or 1, held)


def stages_of(repo, model, file=stale.PIPELINE):
    """A model's stages of a dvc.yaml, each after those that it depends on."""
    own = set(params.lookup(jobs.parts(repo, file), model, "grid.models"))
    ordered = networkx.dfs_postorder_nodes(repo.index.graph)
    return [stage for stage in ordered if stage.addressing in own]


def run(repo, stages, clock=time.monotonic):
    """Run stages that changed, and tell dvc.lock, whatever ends it."""
    ran, written = [], clock()
    with lock_repo(repo):
        try:
            for stage in stages:
                ran += [stage] if stage.reproduce() else []
                if clock() - written > WRITTEN_EVERY:
                    write(ran)
                    ran, written = [], clock()
        finally:
            write(ran)


def write(ran):
    """Put the stages that ran into dvc.lock."""
    if ran:
        ran[0].dvcfile.dump_stages(ran, update_pipeline=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("file", nargs="?", default=stale.PIPELINE, metavar="dvc.yaml")
    arguments = parser.parse_args()
    try:
        # The lock while dvc.lock is read, too: another lane may be writing it.
        with Repo(".", _wait_for_lock=True) as repo, lock_repo(repo):
            run(repo, stages_of(repo, arguments.model, arguments.file))
    except DvcException as error:
        raise command.Refusal(command.first_line(error)) from None


if __name__ == "__main__":
    command.run(main)
