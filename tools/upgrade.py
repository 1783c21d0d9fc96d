"""Move this project to the newest releases of what shapes its files.

    python -m tools.upgrade torch torchvision onnx onnxruntime

Exact versions of these in requirements.in give way to the newest that go together, and ONNX
Runtime Web's to its newest; `make upgrade` refreshes the locks after it and reruns what changed.
"""

import argparse
import re
import subprocess
from pathlib import Path

from clip_onnx import command

JAVASCRIPT = "onnxruntime-web"
FOLDERS = ("runtimes", "web")  # with a package.json
UV = ("build/uv/bin/uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate")
NPM = ("npm", "install", "--package-lock-only", "--no-audit")  # the folders' .npmrc says how


def exact(packages):
    """The lines of a requirements.in that hold some packages at one version, as a pattern."""
    return re.compile(rf"^({'|'.join(packages)})==[^\s#]+", re.MULTILINE)


def unpinned(requirements, packages):
    """The text of a requirements.in in which some packages may be of any version."""
    return exact(packages).sub(r"\1", requirements)


def pinned(requirements, packages, lock):
    """`requirements` with the packages' exact versions replaced by those of a lock's text."""
    versions = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, re.MULTILINE))
    return exact(packages).sub(lambda line: f"{line[1]}=={versions[line[1]]}", requirements)


def run(*line, **options):
    try:
        result = subprocess.run(line, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise command.Refusal(f"{line[0]} is missing: run this by `make upgrade`") from None
    if result.returncode:
        raise command.Refusal(f"{line[0]}: {' '.join(result.stderr.split())[:400]}")
    return result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    packages = parser.parse_args().packages
    path = Path("requirements.in")
    old = path.read_text("utf-8")
    lock = run(*UV, "--python-version", "3.11", "-", input=unpinned(old, packages))
    path.write_text(pinned(old, packages, lock), "utf-8")
    for folder in FOLDERS:
        run(*NPM, "--prefix", folder, f"{JAVASCRIPT}@latest")


if __name__ == "__main__":
    command.run(main)
