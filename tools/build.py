"""`dvc repro` with a line a stage, and at the end what was built and where it lies.

    python -m tools.build [OPTION OF dvc repro …]
    python -m tools.build --runtimes                what foreign runtimes make of the files

Models are built side by side (tools/lanes.py). What DVC and the stages print goes to
build/make.log; on a terminal, progress bars are shown where one stage runs at a time. An output
that DVC's cache could not take is a failure, which it is not to DVC.
"""

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dvc.repo import Repo

from clip_onnx import command
from clip_onnx.names import PYTORCH, TOWERS
from clip_onnx.settings import params
from tools import floors, lanes, pictures, stale

LOG = Path("build/make.log")
RUNTIMES = "runtimes/dvc.yaml"
STARTED = re.compile(r"Running stage '(?:dvc\.yaml:)?([^']+)'")
PASSED = re.compile(r"Stage '(?:dvc\.yaml:)?([^']+)' (?:didn't change|is cached)")
NOT_KEPT = "failed to transfer"  # what DVC says of an output, and goes on
COMPLAINT = "error: "  # how a stage begins the line that says what is wrong
COLUMNS = 80
SHOWN = 20  # last lines of the log, where a stage failed


class Progress:
    """Counts those of some stages that DVC names, and says of each that ran how long it took."""

    def __init__(self, stages, clock=time.monotonic, write=print):
        self.stages, self.clock, self.write = stages, clock, write
        self.done = set()

    def lane(self):
        """see(line), which takes the lines of one DVC in turn, or None at its end."""
        running, since = None, 0.0

        def see(line):
            nonlocal running, since
            started, passed = STARTED.match(line or ""), PASSED.match(line or "")
            if running and (started or passed or line is None):
                self.done.add(running)
                name = running.removeprefix(f"{RUNTIMES}:").replace("@", " ")
                seconds = self.clock() - since
                done = len(self.done & self.stages)
                self.write(f"[{done}/{len(self.stages)}] {name}  {seconds:.0f} s")
                running = None
            if started:
                running, since = started[1], self.clock()
            elif passed:
                self.done.add(passed[1])

        return see


def begin():
    """Empty the log."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")


def repro(options, file=stale.PIPELINE):
    """Build what changed of a dvc.yaml. That of the foreign runtimes needs the pipeline as built.

    Raises Refusal if a stage fails, or DVC's cache could not take all.
    """
    begin()
    pictures.check(params.load().evalset.images)
    repo = Repo(".")
    planned = lanes.Plan([], [], 1) if options else lanes.plan(repo, file)
    if planned is None:
        return
    own = {stage.addressing for stage in repo.index.stages if stage.path_in_repo == file}
    targets = [] if file == stale.PIPELINE else [file]
    progress = Progress(own, write=lambda line: print(line, flush=True))
    everything = ("dvc", "repro", *options, *targets)
    if planned.first:
        lane(progress, "dvc", "repro", *options, *planned.first)
    if planned.models:
        with ThreadPoolExecutor(planned.workers) as threads:
            beside = functools.partial(lane, progress, "tools.lanes", beside=planned.workers)
            ended = [threads.submit(beside, model, *targets) for model in planned.models]
        for one in ended:
            one.result()
    lane(progress, *everything)


def lane(progress, module, *arguments, beside=1):
    """Run a program that runs stages one after the other, as one of so many. Raises as `repro`.

    CPUs are shared out: threads that outnumber them wait for each other most of their time.
    """
    see = progress.lane()
    line = [sys.executable, "-m", module, *arguments]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // beside))}
    environment = threads | os.environ if beside > 1 else None
    status, last = logged(line, see, environment, beside == 1 and sys.stderr.isatty())
    if status:
        print(*last, sep="\n", file=sys.stderr)
        raise command.Refusal(f"a stage failed: {LOG} has all that it printed")
    see(None)
    check_kept()


def elsewhere(name, folder, *targets):
    """Build stages, and those before them, of a project in another folder: that of a model.

    Raises Refusal with the stage's own complaint.
    """
    stages = {s.name for s in Repo(str(folder)).index.stages if stale.of_pipeline(s)}
    see = Progress(stages, write=lambda line: print(line, flush=True)).lane()
    line = [sys.executable, "-m", "dvc", "repro", *targets]
    status, last = logged(line, see, bars=sys.stderr.isatty(), folder=folder)
    if status:
        said = [text.removeprefix(COMPLAINT) for text in last if text.startswith(COMPLAINT)]
        reason = said[-1] if said else f"a stage failed: {LOG} has all that it printed"
        raise command.Refusal(f"{name}: {reason}")
    see(None)
    check_kept()


def check_kept():
    """Refuse where DVC said in LOG that its cache could not take an output."""
    if any(NOT_KEPT in line for line in LOG.read_text("utf-8", errors="replace").splitlines()):
        raise command.Refusal(
            "DVC's cache could not take an output, which may be in dvc.lock nevertheless: make room"
            f" where the cache lies, run `dvc commit --force`, then this again ({LOG} names it)"
        )


def logged(line, see, environment=None, bars=False, folder=None):
    """Run a program, in a folder if not here, whose output goes to LOG here.

    Returns its status and the last lines. see: is given every line of its stdout. bars: whether its
    stderr is shown as it comes.
    """
    last = deque(maxlen=SHOWN)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, env=environment, cwd=folder, **pipes) as process:
        errors = threading.Thread(target=copy, args=(process.stderr, last, bars))
        errors.start()
        for printed in process.stdout:
            keep(printed, last)
            see(printed.decode(errors="replace"))
        errors.join()
    return process.returncode, last


def keep(some, last):
    """Append bytes to LOG, if the disk has room for them, and their lines to `last`."""
    with contextlib.suppress(OSError), open(LOG, "ab") as log:
        log.write(some)
    last.extend(some.decode(errors="replace").replace("\r", "\n").splitlines())


def copy(stream, last, shown):
    """Keep bytes as they come, and show them if asked to, so that progress bars move."""
    while some := stream.read1(4096):
        keep(some, last)
        if shown:
            sys.stderr.write(some.decode(errors="replace"))
            sys.stderr.flush()


def summary(parity, bundles):
    """A line a tower of each model, and what to do next; none of more than COLUMNS."""
    width = max(map(len, parity))
    for model, graphs in parity.items():
        for tower in (tower for tower in TOWERS if tower in graphs):
            files = {name: one for name, one in graphs[tower].items() if name != PYTORCH}
            sizes = [one["size_mb"] for one in files.values()]
            worst = min(files, key=lambda name: files[name]["cosine_min"] or -1)
            size = f"{min(sizes):.2f} to {max(sizes):.2f} MB"
            cosine = f"worst {files[worst]['cosine_min']} {worst}"
            yield f"{model:{width}} {tower:7}  {len(files)} files, {size}, {cosine}"[:COLUMNS]
    answers = [
        one for graphs in parity.values() for one in graphs.get("known_answers", {}).values()
    ]
    if answers:
        yield f"known answers: {floors.met(answers)}"
    yield f"to ship: {bundles}"
    yield "figures: metrics/table.md, make report; judged by make gate"
    yield "try them: python -m clip_onnx search FOLDER PICTURES TEXT"


def main():
    if sys.argv[1:] == ["--runtimes"]:
        repro([])  # whose files they run
        repro([], RUNTIMES)
        return
    repro(sys.argv[1:])
    models = params.load().grid.models
    parity = json.loads(Path("metrics/parity.json").read_text("utf-8"))
    bundles = ", ".join(f"data/bundles/{model}" for model in models[:2])
    bundles += " …" if len(models) > 2 else ""
    print(*summary({model: parity[model] for model in models}, bundles), sep="\n")


if __name__ == "__main__":
    command.run(main)
