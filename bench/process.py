"""Processes, measured from outside. Imports little: a child's peak begins with its parent's."""

import os
import shlex
import subprocess
import sys
import time

from stages import command

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def measured(arguments, folder, log):
    """Run a process in `folder`. Returns (seconds, peak resident memory in MB)."""
    started = time.perf_counter()
    with open(log, "ab") as file:
        process = subprocess.Popen(arguments, cwd=folder, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise command.Refusal(f"`{shlex.join(arguments)}` failed: {log} says why")
    return time.perf_counter() - started, usage.ru_maxrss * RSS_UNIT / 1e6
