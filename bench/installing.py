"""Packages that a benchmark compares with, in folders of their own beside this environment."""

import subprocess

from clip_onnx import command


def install(folder, packages, python):
    """Install packages, and nothing that they ask for, into a folder by a Python's pip, once.

    Raises Refusal with pip's last line where they cannot be had.
    """
    if folder.exists():
        return folder
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with command.output(folder) as partial:
        done = subprocess.run(
            [*pip, "--target", partial, *packages], capture_output=True, text=True
        )
        if done.returncode:
            said = (done.stderr.splitlines() or ["nothing"])[-1]
            raise command.Refusal(f"{packages[0]} cannot be installed: pip says {said}")
    return folder
