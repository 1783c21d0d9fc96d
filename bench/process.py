"""Processes, measured from outside. Imports little: a child's peak begins with its parent's."""

import os
import shlex
import subprocess
import sys
import time
from typing import NamedTuple

from clip_onnx import command

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class Cost(NamedTuple):
    """What a process took; the CPUs' seconds are those of all its threads, the system's too."""

    wall_s: float
    peak_mb: float
    cpu_s: float


def measured(arguments, folder, log):
    """Run a process in `folder`. Returns its Cost."""
    started = time.perf_counter()
    with open(log, "ab") as file:
        process = subprocess.Popen(arguments, cwd=folder, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise command.Refusal(f"`{shlex.join(arguments)}` failed: {log} says why")
    wall = time.perf_counter() - started
    return Cost(wall, usage.ru_maxrss * RSS_UNIT / 1e6, usage.ru_utime + usage.ru_stime)
