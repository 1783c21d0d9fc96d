"""What `tools.fanout` runs where: a job a model, from DVC's graph and the measured needs."""

import networkx
from dvc.dvcfile import load_file
from dvc.parsing import MatrixDefinition
from dvc.repo import Repo

from bench import records, table
from tools.stale import PIPELINE

MARGIN = 1.25  # over the peak of the stage that needs most
MEASURED_CPUS = 2  # that bench/models.json was measured on; a model not in it gets one
UNKNOWN_MB = 2048


def memory_needs():
    """{model: MB that its greediest stage takes}."""
    peaks = table.frame(records.read(table.RECORDS)).groupby("model", observed=True)["peak_rss_mb"]
    return (MARGIN * peaks.max()).round().astype(int).to_dict()


def parts(repo, file=PIPELINE):
    """{model: its stages} by the items of a dvc.yaml's matrices."""
    found, before = {}, "" if file == PIPELINE else f"{file}:"  # as DVC addresses stages
    for name, definition in load_file(repo, file).resolver.definitions.items():
        if isinstance(definition, MatrixDefinition):
            for key, item in definition.normalized_iterable.items():
                if "model" in item:
                    found.setdefault(str(item["model"]), []).append(f"{before}{name}@{key}")
    return found


def last(graph, stages):
    """Those of some stages that none of the others depends on."""
    return [s for s in stages if not any(user in stages for user in graph.predecessors(s))]


def plan(repo=None, file=PIPELINE):
    """(stages that lead to what models share, [job], stages that DVC does not cache)."""
    repo = repo or Repo(".")
    graph = networkx.relabel_nodes(repo.index.graph, lambda stage: stage.addressing)
    peaks, jobs, own, before = memory_needs(), [], set(), set()
    for model, stages in parts(repo, file).items():
        targets, cpus = last(graph, stages), MEASURED_CPUS if model in peaks else 1
        job = {"model": model, "memory_mb": peaks.get(model, UNKNOWN_MB), "cpus": cpus}
        jobs.append(job | {"targets": " ".join(targets)})
        own.update(stages)
        before.update(*(networkx.descendants(graph, target) for target in targets))
    uncached = {s.addressing for s in repo.index.stages if not all(o.use_cache for o in s.outs)}
    return last(graph, sorted(before - own)), jobs, uncached
