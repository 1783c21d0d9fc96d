"""What git holds of the project at another revision."""

import subprocess

from clip_onnx import command


def _git(*arguments):
    return subprocess.run(["git", *arguments], capture_output=True, text=True)


def commit(name):
    """The full hash of the commit that a branch, a tag or another expression names."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.strip()
    shallow = _git("rev-parse", "--is-shallow-repository")
    if shallow.returncode:
        raise command.Refusal(command.first_line(shallow.stderr))
    if shallow.stdout.strip() == "true":
        raise command.Refusal(f"this clone is shallow and lacks {name}: git fetch --unshallow")
    raise command.Refusal(f"git knows no revision {name}: git fetch, or correct the name")


def read(sha, path):
    """The text of a file at a commit, or None if it is not there. `path` is seen from here."""
    found = _git("show", f"{sha}:./{path}")
    return found.stdout if found.returncode == 0 else None
