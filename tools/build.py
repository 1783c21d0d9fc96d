"""`dvc repro` with a line a stage, and at the end what was built and where it lies.

    python -m tools.build [ARGUMENT OF dvc repro …]

What DVC and the stages print goes to build/make.log; their progress bars are shown on a terminal.
An output that DVC's cache could not take is a failure, which it is not to DVC.
"""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from dvc.repo import Repo

from clip_onnx import command
from clip_onnx.names import PYTORCH, TOWERS
from clip_onnx.settings import params
from tools import stale

LOG = Path("build/make.log")
STARTED = re.compile(r"Running stage '(?:dvc\.yaml:)?([^']+)'")
PASSED = re.compile(r"Stage '(?:dvc\.yaml:)?([^']+)' (?:didn't change|is cached)")
NOT_KEPT = b"failed to transfer"  # what DVC says of an output, and goes on
COLUMNS = 80
SHOWN = 20  # last lines of the log, where a stage failed


class Progress:
    """Counts the stages that DVC names, and says of each that ran how long it took."""

    def __init__(self, total, clock=time.monotonic, write=print):
        self.total, self.clock, self.write = total, clock, write
        self.done, self.running, self.since = 0, None, 0.0

    def see(self, line):
        """Take a line that DVC printed."""
        started, passed = STARTED.match(line), PASSED.match(line)
        if started or passed:
            self.finish()
        if started:
            self.running, self.since = started[1], self.clock()
        elif passed:
            self.done += 1

    def finish(self):
        """Report the stage that ran until now, if there is one."""
        if self.running:
            self.done += 1
            name = self.running.replace("@", " ")
            self.write(f"[{self.done}/{self.total}] {name}  {self.clock() - self.since:.0f} s")
            self.running = None


def repro(arguments):
    """Run `dvc repro`. Returns its exit status. Raises Refusal if its cache could not take all."""
    LOG.parent.mkdir(exist_ok=True)
    total = sum(stale.of_pipeline(stage) for stage in Repo(".").index.stages)
    progress = Progress(total, write=lambda line: print(line, flush=True))
    status = logged([sys.executable, "-m", "dvc", "repro", *arguments], progress.see)
    if status == 0:
        progress.finish()
    if NOT_KEPT in LOG.read_bytes():
        raise command.Refusal(
            "DVC's cache could not take an output, which may be in dvc.lock nevertheless: make room"
            f" where the cache lies, run `dvc commit --force`, then this again ({LOG} names it)"
        )
    return status


def logged(line, see):
    """Run a program whose output goes to LOG, its errors to a terminal too. Returns its status.

    see: is given every line of its output.
    """
    with (
        open(LOG, "wb") as log,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        errors = threading.Thread(target=copy, args=(process.stderr, log))
        errors.start()
        for printed in process.stdout:
            log.write(printed)
            log.flush()
            see(printed.decode(errors="replace"))
        errors.join()
    return process.returncode


def copy(stream, log):
    """Copy bytes as they come, so that progress bars move."""
    while some := stream.read1(4096):
        log.write(some)
        log.flush()
        if sys.stderr.isatty():
            sys.stderr.write(some.decode(errors="replace"))
            sys.stderr.flush()


def summary(parity, bundles):
    """A line a tower of each model, and what to do next; none of more than COLUMNS."""
    for model, graphs in parity.items():
        for tower in (tower for tower in TOWERS if tower in graphs):
            files = {name: one for name, one in graphs[tower].items() if name != PYTORCH}
            sizes = [one["size_mb"] for one in files.values()]
            worst = min(files, key=lambda name: files[name]["cosine_min"] or -1)
            size = f"{min(sizes):.2f} to {max(sizes):.2f} MB"
            cosine = f"worst {files[worst]['cosine_min']} {worst}"
            yield f"{model:12} {tower:7}  {len(files)} files, {size}, {cosine}"[:COLUMNS]
    yield f"to ship: {bundles}"
    yield "figures: metrics/table.md, make report; judged by make gate"
    yield "try them: python -m clip_onnx search FOLDER PICTURES TEXT"


def main():
    if repro(sys.argv[1:]):
        lines = LOG.read_text(errors="replace", encoding="utf-8").replace("\r", "\n").splitlines()
        print(*lines[-SHOWN:], sep="\n", file=sys.stderr)
        raise command.Refusal(f"a stage failed: {LOG} has all that it printed")
    models = params.load().grid.models
    parity = json.loads(Path("metrics/parity.json").read_text("utf-8"))
    bundles = ", ".join(f"data/bundles/{model}" for model in models[:2])
    bundles += " …" if len(models) > 2 else ""
    print(*summary({model: parity[model] for model in models}, bundles), sep="\n")


if __name__ == "__main__":
    command.run(main)
