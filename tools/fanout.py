"""Spread the pipeline over machines: one job a model, and DVC's default remote to meet in.

    python -m tools.fanout run              on Ray: prepare, every model, gather
    python -m tools.fanout plan             the jobs; --format github: a matrix for Actions
    python -m tools.fanout prepare          here: what models share
    python -m tools.fanout model MODEL      here: one model's part
    python -m tools.fanout gather           here: everything from the remote, dvc.lock, metrics

A task on Ray is `prepare` or `model` in a clone of the commit. `RAY_ADDRESS` names a cluster whose
machines have this environment; else Ray starts here. Credentials travel as arguments, unlogged.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas
from dvc.config import Config
from dvc.exceptions import DvcException
from dvc.repo import Repo

from clip_onnx import command
from clip_onnx.settings import params
from tools import jobs as planning
from tools import pictures

RETRIES = 2
# Variables that tasks get, by their beginnings: credentials, mirrors, and threads, which may change
# the last digits.
PASSED = ("AWS_", "AZURE_", "CLIP_", "CLOUDSDK_", "GOOGLE_", "OMP_NUM_THREADS")
RUNS = re.compile(r"^Running stage '(.+)':", re.MULTILINE)
MERGED = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def dvc(*arguments, only=None):
    """Run DVC here, showing what it says. Stopped at a stage that is not among `only`, if given."""
    path, said = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", ""
    line = [sys.executable, "-m", "dvc", *arguments]
    given = {"env": os.environ | {"PATH": path}, "start_new_session": True, **MERGED}
    with subprocess.Popen(line, **given) as process:
        try:
            for text in process.stdout:
                print(text, end="", flush=True)
                said += text
                runs = RUNS.match(text)
                if runs and only is not None and runs[1] not in only:
                    raise command.Refusal(f"the remote lacks what {runs[1]} made: push it, repeat")
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    # To DVC, an entry of the run cache that does not arrive is no failure.
    if process.returncode or "failed to transfer" in said:
        raise command.Refusal(f"dvc {arguments[0]} failed, as said above; mend it and repeat")
    return said


def build(targets):
    """Stages, and their results into the remote; of a failure too, for its retry to start there."""
    push = ("push", "--run-cache", "--with-deps", *targets)
    try:
        dvc("repro", "--pull", *targets)
    except command.Refusal:
        with contextlib.suppress(command.Refusal):
            dvc(*push, "--quiet")
        raise
    dvc(*push)


def gather(targets, uncached):
    """Stages, or with no targets all, from the remote's run cache into this working tree."""
    ran = RUNS.findall(dvc("repro", "--pull", *targets, only=uncached))
    print(f"gathered; run here: {', '.join(ran) or 'nothing'}")


def attempt(run, arguments, bundle, remote, variables):
    """A task on Ray. Other machines get this function alone."""
    with tempfile.TemporaryDirectory(prefix=f"{run}-") as folder:
        clone, site = f"{folder}/clone", f"{folder}/site"
        Path(folder, "bundle").write_bytes(bundle)
        subprocess.run(["git", "clone", "--quiet", f"{folder}/bundle", clone], check=True)
        with Config(f"{clone}/.dvc").edit("local") as config:
            config["core"], config["remote"] = {"remote": "shared"}, {"shared": remote}
        inherited = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}  # that is Ray's
        environment = inherited | {"DVC_SITE_CACHE_DIR": site} | variables
        line = [sys.executable, "-m", "tools.fanout", *arguments]
        done = subprocess.run(line, cwd=clone, env=environment, **MERGED)
        if done.returncode:
            raise RuntimeError(done.stdout)


def started_ray():
    """Ray, connected to RAY_ADDRESS or to a cluster of this machine alone."""
    given = {"log_to_driver": False, "logging_level": "ERROR"}
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))  # without end by Ray's default
    if "RAY_ADDRESS" not in os.environ:  # these are read when Ray is imported
        # A token in the environment, or Ray writes one into the home folder.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
        os.environ |= {"RAY_process_group_cleanup_enabled": "true"}  # stages end with their task
        os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # else it listens to the network
        given |= {"address": "local", "include_dashboard": False}
    try:
        import ray
    except ImportError:
        raise command.Refusal("Ray is not installed: make team") from None
    try:
        ray.init(**given)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise command.Refusal(f"Ray: {command.first_line(error)}") from None
    return ray


def failures(ray, tasks):
    """The names in {task: name} of those that fail for good, said as they end."""
    failed, tasks = [], dict(tasks)
    while tasks:
        (done,), _ = ray.wait(list(tasks))
        name, said = tasks.pop(done), ["done"]
        try:
            ray.get(done)
        except ray.exceptions.RayError as error:
            lines = str(getattr(error, "cause", None) or error).strip().splitlines()
            said = ["failed", *lines[-15:]]
            failed.append(name)
        print(f"{name}:", "\n  ".join(said), flush=True)
    return failed


def spread(ray, jobs, *given):
    """Prepare, then all models at once; the names of those that failed."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    task = ray.remote(max_retries=RETRIES, retry_exceptions=True)(attempt)
    run = f"clip-onnx-{secrets.token_hex(4)}"
    try:
        if failures(ray, {task.remote(run, ["prepare"], *given): "prepare"}):
            raise command.Refusal("what models share failed, as said above; no model was begun")
        tasks = {}
        for job in jobs:  # a machine with less than a job asks for runs it alone
            needs = {"memory": job["memory_mb"] * 1e6, "CPU": job["cpus"]}
            needs = {k: min(v, max(one.get(k, 0) for one in machines)) for k, v in needs.items()}
            sized = task.options(memory=needs["memory"], num_cpus=needs["CPU"])
            tasks[sized.remote(run, ["model", job["model"]], *given)] = job["model"]
        return failures(ray, tasks)
    finally:
        ray.shutdown()
        for left in Path(tempfile.gettempdir()).glob(f"{run}-*"):  # by tasks that were killed
            shutil.rmtree(left, ignore_errors=True)


def run(jobs, uncached):
    """The plan on Ray. What succeeds is gathered, what does not is named by a Refusal."""
    if changed := subprocess.check_output(["git", "status", "--short"], text=True):
        raise command.Refusal(f"commit first, machines get the commit without {changed.split()[1]}")
    config = Repo(".").config
    remote = config["remote"].get(config["core"].get("remote"))
    if not remote:
        raise command.Refusal("no default remote to meet in: dvc remote add --default NAME ADDRESS")
    variables = {name: x for name, x in os.environ.items() if name.startswith(PASSED)}
    ray = started_ray()
    bundle = ray.put(subprocess.check_output(["git", "bundle", "create", "--quiet", "-", "HEAD"]))
    failed = spread(ray, jobs, bundle, dict(remote), variables)
    done = [job["targets"] for job in jobs if job["model"] not in failed]
    if done:
        gather(" ".join(done).split() if failed else [], uncached)
    if failed:
        raise command.Refusal(f"failed: {', '.join(failed)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("verb", choices=("run", "plan", "prepare", "model", "gather"))
    parser.add_argument("model", nargs="?")
    parser.add_argument("--format", choices=("text", "github"), default="text")
    arguments = parser.parse_args()
    pictures.check(params.load().evalset.images)  # refuses what DVC would say less plainly
    try:
        shared, jobs, uncached = planning.plan()
    except DvcException as error:
        raise command.Refusal(command.first_line(error)) from None
    if arguments.verb == "run":
        run(jobs, uncached)
    elif arguments.verb == "prepare":
        build(shared)
    elif arguments.verb == "model":
        targets = {job["model"]: job["targets"] for job in jobs}
        build(params.lookup(targets, arguments.model, "grid.models").split())
    elif arguments.verb == "gather":
        gather([], uncached)
    elif arguments.format == "github":
        print(json.dumps({"include": jobs}, allow_nan=False))
    else:
        print(pandas.DataFrame(jobs).to_markdown(index=False))


if __name__ == "__main__":
    command.run(main)
