"""Spread the pipeline over machines: one job a model, and DVC's default remote to meet in.

    python -m tools.fanout run              on Ray: prepare, every model, gather
    python -m tools.fanout plan             the jobs; --format github: a matrix for Actions
    python -m tools.fanout prepare          here: what models share
    python -m tools.fanout model MODEL      here: one model's part
    python -m tools.fanout gather           here: everything from the remote, dvc.lock, metrics

A task of Ray's runs `prepare` or `model` in its own clone of the commit. `RAY_ADDRESS` names a
cluster whose machines have this environment (`make team`); else Ray starts here. The remote's
settings and credentials travel as arguments, which Ray logs nowhere.
"""

import argparse
import collections
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import networkx
from dvc.config import Config
from dvc.dvcfile import load_file
from dvc.parsing import MatrixDefinition
from dvc.repo import Repo

from bench import records, table
from stages import command, params

MARGIN = 1.25  # over the peak of the stage that needs most
# bench/models.json was measured on two cores; a model that is not in it is taken for a small one.
MEASURED_CPUS, UNKNOWN = 2, (2048, 1)
RETRIES = 2
SHOWN_LINES = 15  # of a failed job's output
# Variables that tasks get, by their beginnings: credentials, mirrors, threads.
PASSED = ("AWS_", "AZURE_", "CLIP_", "CLOUDSDK_", "GOOGLE_", "OMP_NUM_THREADS")
MERGED = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def needs():
    """{model: (MB, CPUs)} as measured."""
    peaks = collections.defaultdict(int)
    for record in records.read(table.RECORDS):
        peaks[record["model"]] = max(peaks[record["model"]], record["peak_rss_mb"])
    return {model: (round(MARGIN * peak), MEASURED_CPUS) for model, peak in peaks.items()}


def parts(repo):
    """{model: its stages} by the items of dvc.yaml's matrices."""
    found = collections.defaultdict(list)
    for name, definition in load_file(repo, "dvc.yaml").resolver.definitions.items():
        if isinstance(definition, MatrixDefinition):
            for key, item in definition.normalized_iterable.items():
                found[str(item["model"])].append(f"{name}@{key}")
    return found


def last(graph, stages):
    """Those of some stages that none of the others depends on."""
    return [s for s in stages if not any(user in stages for user in graph.predecessors(s))]


def plan():
    """(stages that lead to what models share, [job], stages that DVC does not cache)."""
    repo = Repo(".")
    graph = networkx.relabel_nodes(repo.index.graph, lambda stage: stage.addressing)
    measured, of_models = needs(), parts(repo)
    jobs = []
    for model, stages in of_models.items():
        memory, cpus = measured.get(model, UNKNOWN)
        targets = " ".join(last(graph, stages))
        jobs.append({"model": model, "targets": targets, "memory_mb": memory, "cpus": cpus})
    own = {stage for stages in of_models.values() for stage in stages}
    shared = {name for stage in own for name in networkx.descendants(graph, stage)} - own
    uncached = {s.addressing for s in repo.index.stages if not all(o.use_cache for o in s.outs)}
    return last(graph, sorted(shared)), jobs, uncached


def dvc(*arguments):
    """Run DVC here; what it says is shown as it comes, and returned."""
    path, said = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", ""
    line = [sys.executable, "-m", "dvc", *arguments]
    with subprocess.Popen(line, env=os.environ | {"PATH": path}, **MERGED) as process:
        for text in process.stdout:
            print(text, end="", flush=True)
            said += text
    # To DVC, an entry of the run cache that does not arrive is no failure.
    if process.returncode or "failed to transfer" in said:
        raise command.Refusal(f"dvc {arguments[0]} failed, as said above; mend it and repeat")
    return said


def build(targets):
    """Stages, and their results into the remote: also of those before a failure, for its retry."""
    try:
        dvc("repro", "--pull", *targets)
    finally:
        dvc("push", "--run-cache", "--with-deps", *targets)


def gather(targets, uncached):
    """Stages, or with no targets all, from the remote's run cache into this working tree."""
    ran = re.findall(r"^Running stage '(.+)':", dvc("repro", "--pull", *targets), re.MULTILINE)
    print(f"gathered; run here: {', '.join(ran) or 'nothing'}")
    if again := sorted(set(ran) - uncached):
        raise command.Refusal(f"the remote lacked results, run here again: {', '.join(again)}")


def attempt(folder, arguments, bundle, remote, variables):
    """Ray's task: `tools.fanout ARGUMENTS` in a clone. Other machines get this function alone."""
    shutil.rmtree(folder, ignore_errors=True)  # what a killed attempt left
    folder.mkdir(mode=0o700, parents=True)
    clone, site = folder / "clone", folder / "site"
    try:
        (folder / "bundle").write_bytes(bundle)
        subprocess.run(["git", "clone", "--quiet", folder / "bundle", clone], check=True)
        with Config(clone / ".dvc").edit("local") as config:
            config["core"], config["remote"] = {"remote": "shared"}, {"shared": remote}
        environment = os.environ | {"DVC_SITE_CACHE_DIR": str(site)}
        environment.pop("OMP_NUM_THREADS", None)  # Ray's: threads may change the last digits
        line = [sys.executable, "-m", "tools.fanout", *arguments]
        done = subprocess.run(line, cwd=clone, env=environment | variables, **MERGED)
        if done.returncode:
            raise RuntimeError(done.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def started_ray():
    """(ray, the resources of this machine if the cluster is no other)."""
    try:
        import ray
    except ImportError:
        raise command.Refusal("Ray is not installed: make team") from None
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
        return ray, {}
    # A token in the environment, or Ray writes one into the home folder.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(RETRIES)}
    os.environ |= {"RAY_process_group_cleanup_enabled": "true"}  # stages end with their task
    ray.init("local", _node_ip_address="127.0.0.1", include_dashboard=False, **quiet)
    return ray, ray.cluster_resources()


def failures(ray, tasks):
    """The names in {task: name} of those that fail for good, said as they end."""
    failed, tasks = [], dict(tasks)
    while tasks:
        (done,), _ = ray.wait(list(tasks))
        name, end = tasks.pop(done), "done"
        try:
            ray.get(done)
        except ray.exceptions.RayError as error:
            said = str(getattr(error, "cause", None) or error).strip().splitlines()
            end = "\n  ".join(["failed", *said[-SHOWN_LINES:]])
            failed.append(name)
        print(f"{name}: {end}", flush=True)
    return failed


def run(shared, jobs, uncached):
    """The plan on Ray. What succeeds is gathered, what does not is named by a Refusal."""
    git = {"check": True, "capture_output": True}
    if changed := subprocess.run(["git", "status", "--porcelain"], **git).stdout.decode():
        raise command.Refusal(f"commit first: machines get the commit, not {changed.split()[1]}")
    config = Repo(".").config
    remote = config["remote"].get(config["core"].get("remote"))
    if not remote:
        raise command.Refusal("no default remote to meet in: dvc remote add --default NAME ADDRESS")
    bundle = subprocess.run(["git", "bundle", "create", "-", "HEAD"], **git).stdout
    variables = {name: x for name, x in os.environ.items() if name.startswith(PASSED)}
    folder = Path(tempfile.gettempdir()) / f"clip-onnx-{secrets.token_hex(4)}"
    ray, limits = started_ray()
    task = ray.remote(max_retries=RETRIES, retry_exceptions=True)(attempt)
    try:
        rest = (ray.put(bundle), dict(remote), variables)
        first = task.remote(folder / "prepare", ["prepare"], *rest)
        if failures(ray, {first: "what models share"}):
            raise command.Refusal("what models share failed, as said above; no model was begun")
        tasks = {}
        for job in jobs:  # a machine smaller than a job asks for runs it alone
            memory, cpus = job["memory_mb"] * 1e6, job["cpus"]
            memory, cpus = (
                min(memory, limits.get("memory", memory)),
                min(cpus, limits.get("CPU", cpus)),
            )
            sized = task.options(memory=memory, num_cpus=cpus)
            model = job["model"]
            tasks[sized.remote(folder / model, ["model", model], *rest)] = model
        failed = failures(ray, tasks)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    done = [
        target for job in jobs if job["model"] not in failed for target in job["targets"].split()
    ]
    if done:
        gather(done if failed else [], uncached)
    if failed:
        raise command.Refusal(f"failed: {', '.join(failed)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("run", "prepare", "gather"):
        verbs.add_parser(verb)
    verbs.add_parser("plan").add_argument("--format", choices=("text", "github"), default="text")
    verbs.add_parser("model").add_argument("model")
    arguments = parser.parse_args()
    shared, jobs, uncached = plan()
    if arguments.verb == "run":
        run(shared, jobs, uncached)
    elif arguments.verb == "prepare":
        build(shared)
    elif arguments.verb == "model":
        targets = {job["model"]: job["targets"] for job in jobs}
        build(params.lookup(targets, arguments.model, "grid.models").split())
    elif arguments.verb == "gather":
        gather([], uncached)
    elif arguments.format == "github":
        print(json.dumps({"include": jobs}))
    else:
        print(
            *("{model}: {memory_mb} MB, {cpus} CPUs: {targets}".format(**j) for j in jobs), sep="\n"
        )


if __name__ == "__main__":
    command.run(main)
