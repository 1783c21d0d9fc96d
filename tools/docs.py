"""Put what is generated into README.md, between its markers.

python -m tools.docs             write
python -m tools.docs --check     fail where README is not current
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from bench import comparison, table
from clip_onnx import command
from tools import matrix

README = Path("README.md")


def stage_graph():
    """DVC's Mermaid graph of the pipeline's stages, matrices collapsed."""
    arguments = ["dag", "--md", "--collapse-foreach-matrix", "dvc.yaml"]
    program = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()


def sections():
    return {
        "results": Path("metrics/table.md").read_text().strip(),
        "stages": stage_graph(),
        "models": table.summary(json.loads(table.RECORDS.read_text())),
        "runtimes": matrix.current(),
        "encodings": comparison.summary(json.loads(comparison.RECORDS.read_text())),
    }


def fill(text, sections):
    """README's text with every section between `<!-- name -->` and `<!-- end of name -->`."""
    for name, content in sections.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise command.Refusal(f"{README} lacks the markers {start} and {end}")
        text = pattern.sub(lambda _, c=content, s=start, e=end: f"{s}\n{c}\n{e}", text)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    old = README.read_text()
    new = fill(old, sections())
    if arguments.check and new != old:
        raise command.Refusal(f"{README} is not current: run `make docs` and commit it")
    if new != old:
        README.write_text(new)


if __name__ == "__main__":
    command.run(main)
